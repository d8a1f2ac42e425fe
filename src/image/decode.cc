#include "image/decode.h"

#include <string_view>

#include "base/error.h"
#include "base/mapped_file.h"
#include "image/codecs.h"

namespace ixc {

namespace {

using Decoder = Image (*)(const EncodedImage&);

// The decoder for a file that begins with `head`, or nullptr.
Decoder FindDecoder(std::string_view head) {
  if (head.starts_with("\xff\xd8\xff")) return DecodeJpeg;
  if (head.starts_with("\x89PNG\r\n\x1a\n")) return DecodePng;
  if (head.starts_with("GIF87a") || head.starts_with("GIF89a")) return DecodeGif;
  if (head.starts_with("RIFF") && head.substr(4).size() >= 8 && head.substr(8, 4) == "WEBP") {
    return DecodeWebp;
  }
  if (head.starts_with("BM")) return DecodeBmp;
  return nullptr;
}

void CheckFileSize(const std::string& name, size_t size, const ImageLimits& limits) {
  if (size == 0) Fail("{}: the file is empty; wanted a JPEG, PNG, WebP, GIF or BMP picture", name);
  if (size > limits.max_file_bytes) {
    Fail("{}: {} bytes, pictures may have up to {}; shrink it first", name, size,
         limits.max_file_bytes);
  }
}

}  // namespace

void CheckImageSize(const EncodedImage& source, const char* format, int64_t width, int64_t height) {
  if (width < 1 || height < 1) {
    Fail("{}: broken {} file: the picture is {} x {}", source.name, format, width, height);
  }
  const ImageLimits& limits = source.limits;
  if (width > limits.max_side || height > limits.max_side || width * height > limits.max_pixels) {
    Fail("{}: the {} picture is {} x {}; up to {} pixels a side and {} in all are read: shrink it",
         source.name, format, width, height, limits.max_side, limits.max_pixels);
  }
}

Image NewImage(const EncodedImage& source, const char* format, int64_t width, int64_t height) {
  CheckImageSize(source, format, width, height);
  return Image(static_cast<int>(width), static_cast<int>(height));
}

bool IsPictureHead(std::string_view head) { return FindDecoder(head) != nullptr; }

Image NewImageByRows(const EncodedImage& source, const char* format, int64_t width,
                     int64_t height) {
  CheckImageSize(source, format, width, height);
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.reserve(image.RowBytes() * static_cast<size_t>(height));
  return image;
}

uint8_t* AppendRow(Image& image) {
  const size_t end = image.rgb.size();
  image.rgb.resize(end + image.RowBytes());
  return image.rgb.data() + end;
}

void FailBroken(const EncodedImage& source, const char* format, const char* what) {
  Fail("{}: broken {} file: {}", source.name, format, what);
}

Image DecodeImage(std::span<const std::byte> bytes, const std::string& name,
                  const ImageLimits& limits) {
  CheckFileSize(name, bytes.size(), limits);
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              bytes.size() < 16 ? bytes.size() : 16);
  const Decoder decode = FindDecoder(head);
  if (decode == nullptr) {
    Fail("{}: not a picture of a known format; wanted JPEG, PNG, WebP, GIF or BMP", name);
  }
  return decode({bytes, name, limits});
}

Image LoadImage(const std::string& path, const ImageLimits& limits) {
  const MappedFile file(path);
  return DecodeImage(file.bytes(), path, limits);
}

}  // namespace ixc
