#include "image/exif.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace ixc {

namespace {

using Bytes = std::span<const std::byte>;

// The TIFF structure inside the first EXIF segment of a JPEG file, empty if there is none.
// Segments: FF, marker, two bytes of length (big-endian, counts itself), contents.
Bytes FindExif(Bytes file) {
  constexpr std::string_view kSignature("Exif\0\0", 6);
  const auto at = [&](size_t i) { return std::to_integer<unsigned>(file[i]); };
  if (file.size() < 2 || at(0) != 0xff || at(1) != 0xd8) return {};
  for (size_t position = 2; position + 4 <= file.size() && at(position) == 0xff;) {
    const unsigned marker = at(position + 1);
    if (marker == 0xda || marker == 0xd9) return {};  // pixels begin, or the end
    const size_t length = at(position + 2) << 8 | at(position + 3);
    if (length < 2 || length > file.size() - position - 2) return {};
    const Bytes contents = file.subspan(position + 4, length - 2);
    if (marker == 0xe1 && contents.size() > kSignature.size() &&
        std::memcmp(contents.data(), kSignature.data(), kSignature.size()) == 0) {
      return contents.subspan(kSignature.size());
    }
    position += 2 + length;
  }
  return {};
}

// Numbers of a TIFF structure, which says itself which byte comes first; nullopt beyond its end.
class TiffReader {
 public:
  explicit TiffReader(Bytes bytes)
      : bytes_(bytes), big_endian_(!bytes.empty() && bytes[0] == std::byte{'M'}) {}

  std::optional<uint32_t> Read(uint64_t offset, size_t count) const {
    if (offset > bytes_.size() || bytes_.size() - offset < count) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t shift = 8 * (big_endian_ ? count - 1 - i : i);
      value |= std::to_integer<uint32_t>(bytes_[offset + i]) << shift;
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool big_endian_;
};

}  // namespace

int ExifOrientation(Bytes file) {
  constexpr uint32_t kOrientationTag = 0x112;
  constexpr uint32_t kShort = 3;
  const TiffReader tiff(FindExif(file));
  const auto magic = tiff.Read(2, 2);
  const auto directory = tiff.Read(4, 4);
  if (magic != 42u || !directory) return 1;
  const uint32_t count = tiff.Read(*directory, 2).value_or(0);
  for (uint64_t i = 0; i < count; ++i) {  // entries: tag, type, count, value
    const uint64_t entry = *directory + 2 + 12 * i;
    const auto tag = tiff.Read(entry, 2);
    if (!tag) return 1;
    if (*tag != kOrientationTag) continue;
    const uint32_t value = tiff.Read(entry + 8, 2).value_or(0);
    const bool valid = tiff.Read(entry + 2, 2) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

// Orientations 5 to 8 swap rows and columns; besides, the stored picture may be mirrored along
// either side.
Image ApplyExifOrientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool swap = orientation >= 5;
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright(swap ? image.height : image.width, swap ? image.width : image.height);
  for (int y = 0; y < upright.height; ++y) {
    uint8_t* out = upright.Row(y);
    for (int x = 0; x < upright.width; ++x) {
      const int along_x = swap ? y : x;
      const int along_y = swap ? x : y;
      const int stored_x = mirror_x ? image.width - 1 - along_x : along_x;
      const int stored_y = mirror_y ? image.height - 1 - along_y : along_y;
      out = std::copy_n(image.Row(stored_y) + size_t{3} * static_cast<size_t>(stored_x), 3, out);
    }
  }
  return upright;
}

}  // namespace ixc
