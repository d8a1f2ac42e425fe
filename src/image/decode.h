// Pictures from files: JPEG, PNG, WebP, GIF (first frame) and BMP, told apart by their first bytes.
//
// Everything becomes 8-bit RGB as Pillow 12.3's Image.open(f).convert("RGB") makes it: grey is
// replicated, palettes are expanded, alpha is dropped and not blended, 16-bit grey is clipped at
// 255 while 16-bit colour keeps its high bytes, CMYK is taken as inverted. Lossless formats give
// the same bytes. EXIF orientation is ignored, as the models' reference does; see exif.h to apply
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "image/image.h"

namespace ixc {

// Whether a file that begins with these bytes (16 are enough) is a picture of a known format.
bool IsPictureHead(std::string_view head);

// `name` is used in errors only. Throws ixc::Error for unknown formats, broken or truncated files
// and pictures beyond the limits.
Image DecodeImage(std::span<const std::byte> bytes, const std::string& name,
                  const ImageLimits& limits = {});

}  // namespace ixc
