// The pickle of a torch .bin file, in a zip that is right: the unpickler and the tensors' bounds.
#include "formats/torch_bin.h"
#include "fuzz/fuzz.h"
#include "unit/torch_bin_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<ixc::ZipFile> entries = {
      {.name = "m/data.pkl", .data = std::string(ixc::AsText(data, size))}};
  for (char key = '0'; key < '8'; ++key) {
    entries.push_back({.name = std::string("m/data/") + key, .data = std::string(64, key)});
  }
  const std::string file = ixc::MakeZip(entries);
  ixc::Attempt([&] { ixc::Touch(ixc::ParseTorchBin(std::as_bytes(std::span(file)), "fuzz")); });
  return 0;
}
