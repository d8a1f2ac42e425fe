// A whole torch .bin file: mostly the zip reader, since the pickle has a checksum.
#include "formats/torch_bin.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ixc::Attempt(
      [&] { ixc::Touch(ixc::ParseTorchBin(std::as_bytes(std::span(data, size)), "fuzz")); });
  return 0;
}
