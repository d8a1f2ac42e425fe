// Decoded pictures, and pictures from files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ixc {

// 8-bit RGB, rows from top to bottom, no padding between them.
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

// What a picture may ask for. Checked against the file's header before anything is allocated.
struct ImageLimits {
  int64_t max_pixels = 40'000'000;
  int max_side = 16'384;
  size_t max_file_bytes = size_t{64} << 20;
};

// Decodes JPEG, PNG, WebP, GIF (first frame) or BMP. Throws ixc::Error naming the path for files
// that cannot be read, unknown formats, broken files and pictures beyond the limits.
Image LoadImage(const std::string& path, const ImageLimits& limits = {});

}  // namespace ixc
