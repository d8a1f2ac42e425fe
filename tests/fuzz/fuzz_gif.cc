// A GIF file.
#include "fuzz/fuzz_picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ixc::FuzzPicture(ixc::DecodeGif, data, size);
  return 0;
}
