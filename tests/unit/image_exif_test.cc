#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "image/exif.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

int OrientationOf(const std::string& file) {
  return ExifOrientation(std::as_bytes(std::span(file)));
}

std::string JpegWith(const std::string& tiff) {
  const size_t length = 2 + 6 + tiff.size();
  return "\xff\xd8\xff\xe0" + std::string("\0\x04zz", 4) + "\xff\xe1" +
         static_cast<char>(length >> 8) + static_cast<char>(length) + std::string("Exif\0\0", 6) +
         tiff + "\xff\xda";
}

// Two entries: the image width, then the orientation 5.
const std::string kLittle(
    "II*\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x09\0\0\0\x12\x01\x03\0"
    "\x01\0\0\0\x05\0\0\0",
    34);
const std::string kBig(
    "MM\0*\0\0\0\x08\0\x02\x01\0\0\x03\0\0\0\x01\0\x09\0\0\x01\x12\0\x03\0\0"
    "\0\x01\0\x05\0\0",
    34);

TEST(ExifOrientation, ReadsBothByteOrders) {
  EXPECT_EQ(OrientationOf(JpegWith(kLittle)), 5);
  EXPECT_EQ(OrientationOf(JpegWith(kBig)), 5);
  const std::filesystem::path images = std::filesystem::path(IXC_TEST_DATA) / "images";
  EXPECT_EQ(OrientationOf(ReadAll(images / "exif_rotated.jpg")), 6);
}

TEST(ExifOrientation, IsUprightWithoutATag) {
  const std::filesystem::path images = std::filesystem::path(IXC_TEST_DATA) / "images";
  EXPECT_EQ(OrientationOf(ReadAll(images / "baseline_420.jpg")), 1);
  EXPECT_EQ(OrientationOf(ReadAll(images / "rgba.png")), 1);
  EXPECT_EQ(OrientationOf(""), 1);
}

TEST(ExifOrientation, IsUprightWhenDamaged) {
  const auto replaced = [](size_t at, char value) {
    std::string tiff = kLittle;
    tiff[at] = value;
    return OrientationOf(JpegWith(tiff));
  };
  EXPECT_EQ(replaced(2, 43), 1);  // not a TIFF structure
  EXPECT_EQ(replaced(5, 1), 1);   // directory beyond the end
  EXPECT_EQ(replaced(7, '\xff'), 1);
  EXPECT_EQ(replaced(24, 4), 1);  // orientation as a long
  EXPECT_EQ(replaced(30, 0), 1);  // values that do not exist
  EXPECT_EQ(replaced(30, 9), 1);
  EXPECT_EQ(replaced(8, 1), 1);  // the directory ends before the tag
  EXPECT_EQ(replaced(9, 1), 5);  // it says 258 entries, the tag is found all the same
  std::string no_tag = kLittle;
  no_tag[9] = '\x7f';
  no_tag[22] = '\x13';
  EXPECT_EQ(OrientationOf(JpegWith(no_tag)), 1);
  const std::string whole = JpegWith(kLittle);
  for (size_t length = 0; length + 2 < whole.size(); ++length) {
    EXPECT_EQ(OrientationOf(whole.substr(0, length)), 1) << length;
  }
}

// The picture  1 2 3  with one number a pixel, row by row, after each orientation (EXIF 2.3,
//              4 5 6  tag 0x112: where the stored first row and first column belong).
TEST(ApplyExifOrientation, TurnsAndMirrors) {
  Image stored(3, 2);
  for (size_t i = 0; i < stored.rgb.size(); ++i) stored.rgb[i] = static_cast<uint8_t>(1 + i / 3);
  const struct {
    int orientation, width;
    std::string pixels;
  } kCases[] = {{0, 3, "123456"}, {1, 3, "123456"}, {2, 3, "321654"}, {3, 3, "654321"},
                {4, 3, "456123"}, {5, 2, "142536"}, {6, 2, "415263"}, {7, 2, "635241"},
                {8, 2, "362514"}, {9, 3, "123456"}};
  for (const auto& expected : kCases) {
    const Image upright = ApplyExifOrientation(stored, expected.orientation);
    std::string pixels;
    for (size_t i = 0; i < upright.rgb.size(); i += 3) {
      pixels += static_cast<char>('0' + upright.rgb[i + 2]);
    }
    EXPECT_EQ(upright.width, expected.width) << expected.orientation;
    EXPECT_EQ(upright.width * upright.height, 6);
    EXPECT_EQ(pixels, expected.pixels) << expected.orientation;
  }
}

}  // namespace
}  // namespace ixc
