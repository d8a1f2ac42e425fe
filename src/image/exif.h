// The orientation that a camera wrote into a JPEG file. The models' reference ignores it; a user
// asks for it with --exif-rotate.
#pragma once

#include <cstddef>
#include <span>

#include "image/image.h"

namespace ixc {

// 1 … 8 as in the EXIF standard (tag 0x112); 1 (upright) when the file is no JPEG, has no such tag
// or has a damaged one.
int ExifOrientation(std::span<const std::byte> file);

// The picture as the photographer saw it; 1 and unknown values change nothing.
Image ApplyExifOrientation(Image image, int orientation);

}  // namespace ixc
