// A JPEG file: its picture, and the orientation in its EXIF data.
#include "fuzz/fuzz_picture.h"
#include "image/exif.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int orientation = ixc::ExifOrientation(std::as_bytes(std::span(data, size)));
  if (orientation < 1 || orientation > 8) std::abort();
  if (ixc::ApplyExifOrientation(ixc::Image(3, 2), orientation).rgb.size() != 18) std::abort();
  ixc::FuzzPicture(ixc::DecodeJpeg, data, size);
  return 0;
}
