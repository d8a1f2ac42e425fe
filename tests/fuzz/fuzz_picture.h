// What the five picture targets share.
#pragma once

#include <cstdlib>

#include "fuzz/fuzz.h"
#include "image/codecs.h"

namespace ixc {

// Decodes `data` with the decoder of one format, whatever its first bytes say: an error, or all the
// pixels that the size asks for.
inline void FuzzPicture(Image (*decode)(const EncodedImage&), const uint8_t* data, size_t size) {
  // Small pictures only: large ones are slow under sanitizers and take no other path.
  const ImageLimits limits{.max_pixels = 1 << 14};
  const std::string name = "fuzz";
  Attempt([&] {
    const Image image = decode({std::as_bytes(std::span(data, size)), name, limits});
    if (image.rgb.size() != image.RowBytes() * static_cast<size_t>(image.height)) std::abort();
  });
}

}  // namespace ixc
