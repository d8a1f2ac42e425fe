// What the decoders of the single formats share. Included by src/image/*.cc and
// the fuzz targets only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "image/decode.h"
#include "image/image.h"

namespace ixc {

// A picture file in memory. Untrusted bytes.
struct EncodedImage {
  std::span<const std::byte> bytes;
  const std::string& name;  // for errors
  const ImageLimits& limits;

  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(bytes.data()); }
  size_t size() const { return bytes.size(); }
};

// Checks the size that a header states against the limits.
void CheckImageSize(const EncodedImage& source, const char* format, int64_t width, int64_t height);

// The same, then allocates a black picture.
Image NewImage(const EncodedImage& source, const char* format, int64_t width, int64_t height);

// The same for decoders that go row by row: a picture without rows, for which AppendRow() takes
// memory as they come, so that a file that states a large size and then ends costs nothing.
Image NewImageByRows(const EncodedImage& source, const char* format, int64_t width, int64_t height);
uint8_t* AppendRow(Image& image);

// "NAME: broken FORMAT file: WHAT".
[[noreturn]] void FailBroken(const EncodedImage& source, const char* format, const char* what);

// 256 colours; those that a file does not give stay black.
using Palette = std::array<std::array<uint8_t, 3>, 256>;

Image DecodeJpeg(const EncodedImage& source);
Image DecodePng(const EncodedImage& source);
Image DecodeWebp(const EncodedImage& source);
Image DecodeGif(const EncodedImage& source);
Image DecodeBmp(const EncodedImage& source);

}  // namespace ixc
