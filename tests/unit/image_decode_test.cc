// Decoding of damaged, hostile and unusual files. That intact files give the right pixels is
// tests/golden/image_decode_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "image/decode.h"
#include "image/write_png.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

const std::filesystem::path kImages = std::filesystem::path(IXC_TEST_DATA) / "images";

Image Decode(const std::string& bytes, const ImageLimits& limits = {}) {
  return DecodeImage(std::as_bytes(std::span(bytes)), "p", limits);
}

std::string DecodeError(const std::string& bytes, const ImageLimits& limits = {}) {
  return ErrorOf([&] { Decode(bytes, limits); });
}

// Numbers as the formats store them.
std::string Little(uint64_t value, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string Big(uint64_t value, size_t count) {
  std::string bytes = Little(value, count);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

std::string Zeros(size_t count) { return std::string(count, '\0'); }

// One small file of every format and of every way through a decoder.
const char* const kSmallFiles[] = {
    "tiny1x1.png",
    "extra/palette_1bit.png",
    "extra/gray_alpha16.png",
    "gray16.png",
    "interlaced.png",
    "baseline_420.jpg",
    "progressive_444.jpg",
    "extra/rgb.jpg",
    "extra/gif_interlaced.gif",
    "extra/gif_offset_transparent.gif",
    "extra/lossy.webp",
    "extra/lossy_alpha.webp",
    "extra/lossless_alpha.webp",
    "extra/animated.webp",
    "extra/bmp_4bit.bmp",
    "extra/bmp_16bit_565.bmp",
    "extra/bmp_24bit_os2.bmp",
    "extra/bmp_32bit.bmp",
};

class SmallFileTest : public testing::TestWithParam<const char*> {
 protected:
  SmallFileTest() : bytes_(ReadAll(kImages / GetParam())), whole_(Decode(bytes_)) {}

  const std::string bytes_;
  const Image whole_;
};

// Anything but a picture or ixc::Error fails the test (or crashes it).
TEST_P(SmallFileTest, CutAtEveryByte) {
  for (size_t length = 0; length < bytes_.size(); ++length) {
    try {
      const Image image = Decode(bytes_.substr(0, length));
      EXPECT_EQ(image.rgb, whole_.rgb) << "cut at " << length;
    } catch (const Error&) {
      continue;
    }
    EXPECT_GT(length, bytes_.size() * 3 / 4) << "a picture from too little of the file";
  }
}

TEST_P(SmallFileTest, EveryByteDamaged) {
  // Damage in a size field may ask for a large picture: keep those out, they only take time.
  const ImageLimits limits{.max_pixels = 100'000};
  const size_t step = 1 + bytes_.size() / 1500;
  int trials = 0;
  int pictures = 0;
  for (size_t i = 0; i < bytes_.size(); i += step) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      ++trials;
      std::string damaged = bytes_;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      try {
        const Image image = Decode(damaged, limits);
        ASSERT_EQ(image.rgb.size(), image.RowBytes() * static_cast<size_t>(image.height));
        ++pictures;
      } catch (const Error&) {
        continue;
      }
    }
  }
  EXPECT_LT(pictures, trials) << "no damage was ever noticed";
}

INSTANTIATE_TEST_SUITE_P(Formats, SmallFileTest, testing::ValuesIn(kSmallFiles),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST(DecodeImage, UnknownFormatsNameTheKnownOnes) {
  const std::string tiff("II*\0\x08\0\0\0", 8);
  for (const std::string& bytes :
       {std::string("x"), std::string("<svg></svg>"), tiff,
        std::string("RIFF\x10\0\0\0WAVEfmt ", 16), std::string("GIF88a"), Zeros(100)}) {
    EXPECT_EQ(DecodeError(bytes),
              "p: not a picture of a known format; wanted JPEG, PNG, WebP, GIF or BMP");
  }
  EXPECT_PRED2(Contains, DecodeError(""), "p: the file is empty");
}

// --- sizes beyond the limits, stated by headers in front of nothing ------------------------------

// 20000 x 3 only: the size enters a checksum, which libpng verifies first.
std::string PngHeader() {
  return "\x89PNG\r\n\x1a\n" + Big(13, 4) + "IHDR" + Big(20000, 4) + Big(3, 4) +
         std::string("\x08\x02\0\0\0\xf9\x1e\xa8\xd2", 9) + Big(0, 4) + "IDAT\x35\xaf\x06\x1e";
}

std::string JpegHeader(uint32_t width, uint32_t height) {
  const std::string component("\x01\x11\0", 3);
  return "\xff\xd8\xff\xc0" + Big(11, 2) + "\x08" + Big(height, 2) + Big(width, 2) + "\x01" +
         component + "\xff\xda" + Big(8, 2) + std::string("\x01\x01\0\0\x3f\0", 6);
}

std::string GifHeader(uint32_t width, uint32_t height) {
  return "GIF89a" + Little(width, 2) + Little(height, 2) + Zeros(3) + "," + Zeros(4) +
         Little(width, 2) + Little(height, 2) + Zeros(1) + "\x08";
}

std::string BmpHeader(uint32_t width, uint32_t height, uint32_t bits = 24,
                      uint32_t compression = 0) {
  return "BM" + Zeros(8) + Little(54, 4) + Little(40, 4) + Little(width, 4) + Little(height, 4) +
         Little(1, 2) + Little(bits, 2) + Little(compression, 4) + Zeros(20);
}

// A lossless picture needs its whole first chunk, so the frame is one of 1 x 1.
std::string WebpHeader(uint32_t width, uint32_t height) {
  const std::string chunks = "VP8X" + Little(10, 4) + Little(2, 1) + Zeros(3) +
                             Little(width - 1, 3) + Little(height - 1, 3) + "ANIM" + Little(6, 4) +
                             Zeros(6) + "ANMF" + Little(24 + 12, 4) + Zeros(16) + "VP8L" +
                             Little(12, 4) + "\x2f" + Zeros(4) +
                             std::string("\x88\x88\x08\0\0\0\0", 7) + Zeros(8);
  return "RIFF" + Little(4 + chunks.size(), 4) + "WEBP" + chunks;
}

TEST(DecodeImage, RefusesHugeSizesBeforeAllocating) {
  const std::string files[] = {PngHeader(), JpegHeader(20000, 3), GifHeader(20000, 3),
                               BmpHeader(20000, 3), WebpHeader(20000, 3)};
  const char* const formats[] = {"PNG", "JPEG", "GIF", "BMP", "WebP"};
  for (size_t i = 0; i < std::size(files); ++i) {
    EXPECT_EQ(DecodeError(files[i]),
              std::string("p: the ") + formats[i] +
                  " picture is 20000 x 3; up to 16384 pixels a side and 40000000 in all are read: "
                  "shrink it");
  }
  EXPECT_PRED2(Contains, DecodeError(JpegHeader(16000, 16000)), "picture is 16000 x 16000; up to");
  EXPECT_PRED2(Contains, DecodeError(BmpHeader(0x7fffffff, 0x80000001u)),
               "picture is 2147483647 x 2147483647; up to");
  EXPECT_PRED2(Contains, DecodeError(BmpHeader(3, 0x80000000u)), "3 x 2147483648; up to");
}

TEST(DecodeImage, LimitsAreTheCallers) {
  const std::string png = ReadAll(kImages / "tiny1x1.png");
  EXPECT_NO_THROW(Decode(png, {.max_pixels = 1, .max_side = 1, .max_file_bytes = png.size()}));
  EXPECT_PRED2(Contains, DecodeError(png, {.max_pixels = 0}), "and 0 in all are read");
  EXPECT_PRED2(Contains, DecodeError(png, {.max_side = 0}), "up to 0 pixels a side");
  EXPECT_EQ(DecodeError(png, {.max_file_bytes = png.size() - 1}),
            "p: 69 bytes, pictures may have up to 68; shrink it first");
}

// --- each format's own ways of being broken
// -------------------------------------------------------

struct Broken {
  const char* what;
  std::string bytes;
  const char* error;
};

void ExpectErrors(std::span<const Broken> files) {
  for (const Broken& file : files) {
    EXPECT_PRED2(Contains, DecodeError(file.bytes), file.error) << file.what;
  }
}

std::string Replaced(std::string bytes, size_t at, const std::string& with) {
  return bytes.replace(at, with.size(), with);
}

TEST(DecodeImage, BrokenBmp) {
  const std::string good = BmpHeader(2, 1) + Zeros(8);
  ASSERT_NO_THROW(Decode(good));
  const Broken files[] = {
      {"no pixels", BmpHeader(2, 1), "ends too early"},
      {"one byte missing", good.substr(0, good.size() - 1), "ends too early"},
      {"pixels beyond the end", Replaced(good, 10, Little(0xffffffff, 4)), "ends too early"},
      {"header of 13 bytes", Replaced(good, 14, Little(13, 4)), "unknown header length"},
      {"no width", BmpHeader(0, 1) + Zeros(8), "the picture is 0 x 1"},
      {"negative width", BmpHeader(0xffffffff, 1) + Zeros(8), "the picture is -1 x 1"},
      {"2 bits", BmpHeader(2, 1, 2) + Zeros(8), "BMP with 2 bits a pixel"},
      {"run lengths", BmpHeader(2, 1, 8, 1) + Zeros(2000), "BMP with compression 1"},
      {"masks on a palette", BmpHeader(2, 1, 8, 3) + Zeros(2000), "BMP with compression 3"},
      {"mask with a hole",
       BmpHeader(2, 1, 16, 3) + Little(0x5, 4) + Little(0x70, 4) + Little(0x700, 4) + Zeros(8),
       "a channel mask that"},
      {"mask of 10 bits",
       BmpHeader(2, 1, 32, 3) + Little(0x3ff, 4) + Little(0xff0000, 4) + Little(0xff, 4) + Zeros(8),
       "a channel mask that"},
      {"257 colours", Replaced(BmpHeader(2, 1, 8), 46, Little(257, 4)) + Zeros(2000),
       "over 256 colours"},
      {"palette cut off", Replaced(BmpHeader(2, 1, 8), 46, Little(200, 4)) + Zeros(8),
       "ends too early"},
  };
  ExpectErrors(files);
}

TEST(DecodeImage, BrokenGif) {
  const std::string good = ReadAll(kImages / "extra" / "gif_no_palette.gif");
  ASSERT_EQ(good.substr(13, 1), ",");
  const Broken files[] = {
      {"trailer at once", good.substr(0, 13) + ";", "there is no picture in it"},
      {"unknown block", good.substr(0, 13) + "?", "broken GIF file"},
      {"frame without width", Replaced(good, 18, Little(0, 2)), "broken GIF file"},
      {"frame without height", Replaced(good, 20, Little(0, 2)), "broken GIF file"},
      {"frame far outside", Replaced(good, 14, Little(65535, 2)), "the GIF picture is 65542 x 5"},
      {"13-bit codes", Replaced(good, 23, "\x0d"), "broken GIF file"},
  };
  ExpectErrors(files);
}

TEST(DecodeImage, BrokenPng) {
  const std::string good = ReadAll(kImages / "tiny1x1.png");
  const Broken files[] = {
      {"checksum", Replaced(good, 29, "\x01"), "broken PNG file: IHDR: CRC error"},
      {"no header chunk", Replaced(good, 12, "IEND"), "broken PNG file"},
      {"signature only", good.substr(0, 8), "broken PNG file: the file ends too early"},
  };
  ExpectErrors(files);
}

TEST(DecodeImage, BrokenJpeg) {
  const std::string good = ReadAll(kImages / "baseline_420.jpg");
  const size_t frame = good.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  const Broken files[] = {
      {"12 bits", Replaced(good, frame + 4, "\x0c"), "broken JPEG file: Unsupported JPEG data pre"},
      {"no height", Replaced(good, frame + 5, Zeros(2)), "broken JPEG file"},
      {"lossless", Replaced(good, frame, "\xff\xc3"), "broken JPEG file: Unsupported JPEG process"},
      {"segment beyond the end", "\xff\xd8\xff\xe1\xff\xff", "the file ends too early"},
      {"markers only", "\xff\xd8\xff\xd9", "broken JPEG file"},
      {"no tables", JpegHeader(4, 4) + Zeros(40), "broken JPEG file"},
  };
  ExpectErrors(files);
}

TEST(DecodeImage, JpegOfTwoComponentsIsRefused) {
  std::string bytes = "\xff\xd8\xff\xc0" + Big(14, 2) + "\x08" + Big(4, 2) + Big(4, 2) + "\x02" +
                      std::string("\x01\x11\0\x02\x11\0", 6) + "\xff\xda" + Big(10, 2) +
                      std::string("\x02\x01\0\x02\0\0\x3f\0", 8);
  EXPECT_EQ(DecodeError(bytes),
            "p: JPEG with 2 components; 1 (grey), 3 (colour) and 4 (CMYK) are read");
}

TEST(DecodeImage, JpegWithEndlessScansIsRefused) {
  const std::string good = ReadAll(kImages / "progressive_444.jpg");
  const size_t last_scan = good.rfind("\xff\xda");
  const std::string scan = good.substr(last_scan, good.size() - 2 - last_scan);
  const auto repeated = [&](int times) {
    std::string bytes = good.substr(0, last_scan);
    for (int i = 0; i < times; ++i) bytes += scan;
    return bytes + "\xff\xd9";
  };
  EXPECT_NO_THROW(Decode(repeated(50)));
  EXPECT_EQ(DecodeError(repeated(120)), "p: broken JPEG file: it has more than 100 scans");
}

// Each scan passes over all pixels, so a large picture may have fewer of them.
TEST(DecodeImage, JpegScansTimesPixelsAreBounded) {
  const std::string good = ReadAll(kImages / "progressive_444.jpg");
  const size_t frame = good.find("\xff\xc2");
  const size_t last_scan = good.rfind("\xff\xda");
  const std::string large = Replaced(good, frame + 5, Big(4000, 2) + Big(4000, 2));
  std::string bytes = large.substr(0, large.size() - 2);
  for (int i = 0; i < 30; ++i) bytes += good.substr(last_scan, good.size() - 2 - last_scan);
  EXPECT_EQ(DecodeError(bytes), "p: broken JPEG file: it has more than 20 scans");
}

TEST(DecodeImage, PngThatCannotHoldItsPixelsIsRefused) {
  const std::string bytes = ReadAll(kImages / "tiny1x1.png");
  std::string header = "IHDR" + Big(6000, 4) + Big(6000, 4) + bytes.substr(24, 5);
  const std::string large = Replaced(bytes, 12, header + Big(Crc32(header), 4));
  EXPECT_EQ(DecodeError(large), "p: broken PNG file: the file ends too early");
}

TEST(DecodeImage, BrokenWebp) {
  const std::string good = ReadAll(kImages / "extra" / "lossy.webp");
  const Broken files[] = {
      {"container only", std::string("RIFF\x04\0\0\0WEBP", 12), "broken WebP file"},
      {"unknown chunk", Replaced(good, 12, "XXXX"), "broken WebP file"},
      {"no key frame", Replaced(good, 20, "\x01"), "broken WebP file"},
      {"no start code", Replaced(good, 23, "XYZ"), "broken WebP file"},
  };
  ExpectErrors(files);
}

// --- files
// ----------------------------------------------------------------------------------------

TEST(LoadImage, NamesThePath) {
  const TempDir dir;
  const std::string missing = (dir.path() / "missing.png").string();
  EXPECT_PRED2(Contains, ErrorOf([&] { LoadImage(missing); }), missing);
  EXPECT_PRED2(Contains, ErrorOf([&] { LoadImage(dir.path().string()); }), dir.path().string());
  const std::string empty = dir.Write("empty.jpg", "").string();
  EXPECT_PRED2(Contains, ErrorOf([&] { LoadImage(empty); }), empty + ": the file is empty");
}

TEST(WritePng, IsReadBack) {
  const TempDir dir;
  const std::string path = (dir.path() / "out.png").string();
  Image image(37, 11);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * i);
  WritePng(path, image);
  const Image back = LoadImage(path);
  EXPECT_EQ(back.width, 37);
  EXPECT_EQ(back.height, 11);
  EXPECT_EQ(back.rgb, image.rgb);
  EXPECT_PRED2(Contains, ErrorOf([&] { WritePng("/no/such/folder/x.png", image); }), "/no/such");
}

}  // namespace
}  // namespace ixc
