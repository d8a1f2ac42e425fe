// Pictures of all five formats (the first bytes choose the decoder) and the EXIF orientation.
#include <cstdlib>

#include "fuzz/fuzz.h"
#include "image/decode.h"
#include "image/exif.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const int orientation = ixc::ExifOrientation(bytes);
  if (orientation < 1 || orientation > 8) std::abort();
  // Small pictures only: large ones are slow under sanitizers and take no other path.
  const ixc::ImageLimits limits{.max_pixels = 1 << 16};
  ixc::Attempt([&] {
    const ixc::Image image = ixc::DecodeImage(bytes, "fuzz", limits);
    if (image.rgb.size() != image.RowBytes() * static_cast<size_t>(image.height)) std::abort();
    ixc::ApplyExifOrientation(image, orientation);
  });
  return 0;
}
