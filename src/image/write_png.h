// Pictures to PNG files: drawings for the user, and expected values of tests.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "image/image.h"

namespace ixc {

// 8-bit RGB as the bytes of a PNG file. `name` is used in errors only.
std::vector<std::byte> EncodePng(const Image& image, const std::string& name);

// The same as a file, which appears complete or not at all. Throws ixc::Error naming the path.
void WritePng(const std::string& path, const Image& image);

}  // namespace ixc
