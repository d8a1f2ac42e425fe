// Pictures to PNG files: drawings for the user, and expected values of tests.
#pragma once

#include <string>

#include "image/image.h"

namespace ixc {

// 8-bit RGB. The file appears complete or not at all. Throws ixc::Error naming the path.
void WritePng(const std::string& path, const Image& image);

}  // namespace ixc
