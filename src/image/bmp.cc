// BMP: 1, 4 and 8 bits with a palette, 16, 24 and 32 bits with channel masks; not compressed.
//
// A file header of 14 bytes (the pixels' offset at 10), an information header of 12 bytes (OS/2) or
// of 40 … 124, the masks behind a 40-byte header when the compression field says so, the palette
// (blue, green, red, and a fourth byte but in OS/2 files), then rows padded to 4 bytes, from the
// bottom up unless the height is negative. All numbers are little-endian.
#include <bit>

#include "base/error.h"
#include "image/codecs.h"

namespace ixc {

namespace {

constexpr size_t kFileHeaderBytes = 14;
constexpr uint32_t kNotCompressed = 0;
constexpr uint32_t kBitFields = 3;

struct BmpHeader {
  int64_t width = 0;
  int64_t height = 0;
  bool top_down = false;
  uint32_t bits = 0;
  uint32_t compression = kNotCompressed;
  uint32_t num_colors = 0;
  size_t header_bytes = 0;  // of the information header
  size_t pixel_offset = 0;
  std::array<uint32_t, 3> masks{};  // red, green, blue
};

uint32_t ReadLittleEndian(const EncodedImage& source, size_t offset, size_t count) {
  if (offset > source.size() || source.size() - offset < count) {
    FailBroken(source, "BMP", "the file ends too early");
  }
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint32_t{source.data()[offset + i]} << (8 * i);
  return value;
}

// The widths and kinds of fields differ between the OS/2 header and all later ones.
BmpHeader ReadHeader(const EncodedImage& source) {
  BmpHeader header;
  const auto u16 = [&](size_t at) { return ReadLittleEndian(source, kFileHeaderBytes + at, 2); };
  const auto u32 = [&](size_t at) { return ReadLittleEndian(source, kFileHeaderBytes + at, 4); };
  header.pixel_offset = ReadLittleEndian(source, 10, 4);
  header.header_bytes = u32(0);
  if (header.header_bytes == 12) {
    header.width = u16(4);
    header.height = u16(6);
    header.bits = u16(10);
  } else if (header.header_bytes >= 40 && header.header_bytes <= 124) {
    header.width = static_cast<int32_t>(u32(4));
    header.height = static_cast<int32_t>(u32(8));
    header.bits = u16(14);
    header.compression = u32(16);
    header.num_colors = u32(32);
  } else {
    FailBroken(source, "BMP", "unknown header length");
  }
  header.top_down = header.height < 0;
  if (header.top_down) header.height = -header.height;
  if (header.bits == 16) header.masks = {0x7c00, 0x3e0, 0x1f};
  if (header.bits == 24 || header.bits == 32) header.masks = {0xff0000, 0xff00, 0xff};
  if (header.compression == kBitFields) {
    const std::array<uint32_t, 3> masks = {u32(40), u32(44), u32(48)};
    if (masks != std::array<uint32_t, 3>{}) header.masks = masks;
  }
  return header;
}

void CheckHeader(const EncodedImage& source, const BmpHeader& header) {
  const uint32_t bits = header.bits;
  const bool has_palette = bits == 1 || bits == 4 || bits == 8;
  const bool has_masks = bits == 16 || bits == 24 || bits == 32;
  if (!has_palette && !has_masks) {
    Fail("{}: BMP with {} bits a pixel; 1, 4, 8, 16, 24 and 32 are read", source.name, bits);
  }
  if (header.compression != kNotCompressed && !(header.compression == kBitFields && has_masks)) {
    Fail("{}: BMP with compression {}; only plain ones are read: save it as PNG", source.name,
         header.compression);
  }
  if (has_palette && header.num_colors > 256) FailBroken(source, "BMP", "over 256 colours");
  for (const uint32_t mask : header.masks) {
    if (has_palette) break;
    const uint32_t run = mask >> std::countr_zero(mask | 0x80000000u);
    if (run == 0 || run > 0xff || (run & (run + 1)) != 0) {
      FailBroken(source, "BMP", "a channel mask that is not 1 to 8 neighbouring bits");
    }
  }
}

Palette ReadPalette(const EncodedImage& source, const BmpHeader& header) {
  const size_t entry_bytes = header.header_bytes == 12 ? 3 : 4;
  const size_t count = header.num_colors != 0 ? header.num_colors : size_t{1} << header.bits;
  Palette palette{};
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kFileHeaderBytes + header.header_bytes + i * entry_bytes;
    const uint32_t bgr = ReadLittleEndian(source, at, 3);
    palette[i] = {static_cast<uint8_t>(bgr >> 16), static_cast<uint8_t>(bgr >> 8),
                  static_cast<uint8_t>(bgr)};
  }
  return palette;
}

void ReadPaletteRow(const uint8_t* in, const BmpHeader& header, const Palette& palette,
                    uint8_t* rgb) {
  const uint32_t bits = header.bits;
  for (size_t x = 0; x < static_cast<size_t>(header.width); ++x) {
    const size_t bit = x * bits;  // the leftmost pixel is in the highest bits
    const uint32_t index = (in[bit / 8] >> (8 - bits - bit % 8)) & ((1u << bits) - 1);
    for (size_t c = 0; c < 3; ++c) *rgb++ = palette[index][c];
  }
}

// A channel of n bits becomes value * 255 / (2^n - 1), rounded down.
void ReadMaskedRow(const uint8_t* in, const BmpHeader& header, uint8_t* rgb) {
  const size_t pixel_bytes = header.bits / 8;
  for (int64_t x = 0; x < header.width; ++x, in += pixel_bytes) {
    uint32_t pixel = 0;
    for (size_t i = 0; i < pixel_bytes; ++i) pixel |= uint32_t{in[i]} << (8 * i);
    for (const uint32_t mask : header.masks) {
      const int shift = std::countr_zero(mask);
      *rgb++ = static_cast<uint8_t>(((pixel & mask) >> shift) * 255 / (mask >> shift));
    }
  }
}

}  // namespace

Image DecodeBmp(const EncodedImage& source) {
  const BmpHeader header = ReadHeader(source);
  CheckHeader(source, header);
  CheckImageSize(source, "BMP", header.width, header.height);
  // The limits keep these products small.
  const size_t row_bytes = (static_cast<size_t>(header.width) * header.bits + 31) / 32 * 4;
  const size_t pixel_bytes = row_bytes * static_cast<size_t>(header.height);
  if (header.pixel_offset > source.size() || source.size() - header.pixel_offset < pixel_bytes) {
    FailBroken(source, "BMP", "the file ends too early");
  }
  Image image = NewImage(source, "BMP", header.width, header.height);
  const bool has_palette = header.bits <= 8;
  const Palette palette = has_palette ? ReadPalette(source, header) : Palette{};
  for (int y = 0; y < image.height; ++y) {
    const int stored_row = header.top_down ? y : image.height - 1 - y;
    const uint8_t* in =
        source.data() + header.pixel_offset + static_cast<size_t>(stored_row) * row_bytes;
    if (has_palette) {
      ReadPaletteRow(in, header, palette, image.Row(y));
    } else {
      ReadMaskedRow(in, header, image.Row(y));
    }
  }
  return image;
}

}  // namespace ixc
