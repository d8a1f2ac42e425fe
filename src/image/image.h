// A decoded picture: 8-bit RGB, rows from top to bottom, no padding between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ixc {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]

  Image() = default;
  // All black.
  Image(int image_width, int image_height)
      : width(image_width),
        height(image_height),
        rgb(static_cast<size_t>(image_width) * static_cast<size_t>(image_height) * 3) {}

  size_t RowBytes() const { return static_cast<size_t>(width) * 3; }
  uint8_t* Row(int y) { return rgb.data() + static_cast<size_t>(y) * RowBytes(); }
  const uint8_t* Row(int y) const { return rgb.data() + static_cast<size_t>(y) * RowBytes(); }
};

}  // namespace ixc
