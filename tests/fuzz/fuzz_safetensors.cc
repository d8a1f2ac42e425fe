// A whole safetensors file.
#include "formats/safetensors.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ixc::Attempt(
      [&] { ixc::Touch(ixc::ParseSafetensors(std::as_bytes(std::span(data, size)), "fuzz")); });
  return 0;
}
