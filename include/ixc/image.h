// A decoded picture.
#pragma once

#include <cstdint>
#include <vector>

namespace ixc {

// 8-bit RGB, row by row from the top: rgb[(y * width + x) * 3 + channel].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

}  // namespace ixc
