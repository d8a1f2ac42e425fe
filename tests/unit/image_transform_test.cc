#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <tuple>

#include "image/hd_geometry.h"
#include "image/transform.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

Compute TestCompute(int threads = 2) {
  static ThreadPool one(1);
  static ThreadPool two(2);
  return {BestIsa(), threads == 1 ? &one : &two};
}

std::pair<int, int> Grid(int width, int height, int hd_num) {
  const HdGeometry plan = PlanHd(width, height, hd_num, 336);
  return {plan.tile_rows, plan.tile_cols};
}

TEST(PlanHd, GridsOfCommonSizes) {
  using Pair = std::pair<int, int>;
  EXPECT_EQ(Grid(1000, 1000, 25), Pair(5, 5));
  EXPECT_EQ(Grid(640, 480, 25), Pair(4, 5));
  EXPECT_EQ(Grid(480, 640, 25), Pair(5, 4));
  EXPECT_EQ(Grid(1920, 1080, 55), Pair(6, 9));
  EXPECT_EQ(Grid(3840, 1600, 55), Pair(5, 11));
  EXPECT_EQ(Grid(4000, 400, 16), Pair(1, 10));
  EXPECT_EQ(Grid(400, 4000, 16), Pair(10, 1));
  EXPECT_EQ(Grid(1, 1, 1), Pair(1, 1));
  EXPECT_EQ(Grid(356, 285, 25), Pair(4, 5));  // ceil(5 / ratio) is 5: the height was rounded down
}

TEST(PlanHd, SplitsThePadding) {
  const HdGeometry plan = PlanHd(337, 336, 25, 336);  // 1680 / (337 / 336) = 1675.01…
  EXPECT_FALSE(plan.transposed);
  EXPECT_EQ(plan.resized_width, 1680);
  EXPECT_EQ(plan.resized_height, 1675);
  EXPECT_EQ(plan.padded_height, 1680);
  EXPECT_EQ(plan.pad_top, 2);  // the smaller half
  EXPECT_TRUE(PlanHd(336, 337, 25, 336).transposed);
}

TEST(PlanHd, TakesTheTileSize) {
  const HdGeometry plan = PlanHd(100, 50, 4, 14);  // 2 ceil(2 / 2) fits, 3 ceil(3 / 2) does not
  EXPECT_EQ(plan.resized_width, 28);
  EXPECT_EQ(plan.resized_height, 14);
  EXPECT_EQ(plan.NumTiles(), 2);
}

TEST(PlanHd, RefusesWhatCannotBe) {
  EXPECT_PRED2(Contains, ErrorOf([] { PlanHd(10, 10, 0, 336); }), "hd_num is 0; wanted 1 to 1000");
  EXPECT_PRED2(Contains, ErrorOf([] { PlanHd(10, 10, 1001, 336); }), "hd_num is 1001");
  EXPECT_PRED2(Contains, ErrorOf([] { PlanHd(1000, 1, 1, 336); }),
               "a picture of 1000 x 1 pixels is too long for hd_num 1");
  EXPECT_PRED2(Contains, ErrorOf([] { PlanHd(1, 1000, 1, 336); }), "1 x 1000");
  EXPECT_NO_THROW(PlanHd(1000, 1, 3, 336));
}

Image Filled(int width, int height, uint8_t value) {
  Image image(width, height);
  std::fill(image.rgb.begin(), image.rgb.end(), value);
  return image;
}

TEST(ArrangeTiles, PadsWithWhite) {
  const int tile = 28;
  const HdGeometry plan =
      PlanHd(50, 20, 6, tile);  // 3 tiles wide, 84 / 2.5 = 33 high, padded to 56
  ASSERT_EQ(std::tuple(plan.resized_width, plan.resized_height, plan.pad_top),
            std::tuple(84, 33, 11));
  const Image wide = ArrangeTiles(Filled(50, 20, 90), plan, TestCompute());
  ASSERT_EQ(std::tuple(wide.width, wide.height), std::tuple(84, 56));
  for (int y = 0; y < wide.height; ++y) {
    const uint8_t expected = y >= 11 && y < 44 ? 90 : 255;
    for (size_t i = 0; i < wide.RowBytes(); ++i) ASSERT_EQ(wide.Row(y)[i], expected) << y;
  }
  const Image tall = ArrangeTiles(Filled(20, 50, 90), PlanHd(20, 50, 6, tile), TestCompute());
  ASSERT_EQ(std::tuple(tall.width, tall.height), std::tuple(56, 84));
  for (int x = 0; x < tall.width; ++x) {  // the smaller half is on the left
    EXPECT_EQ(tall.Row(50)[3 * x], x >= 11 && x < 44 ? 90 : 255) << x;
  }
}

TEST(PrepareImage, NormalisesEachChannel) {
  const ImageTransform transform{ImageTransform::Kind::kSquare, 14};
  Image image(14, 14);
  for (size_t i = 0; i < image.rgb.size(); i += 3) image.rgb[i] = 255, image.rgb[i + 2] = 51;
  const PreparedImage prepared = PrepareImage(image, transform, 0, TestCompute());
  ASSERT_EQ(std::tuple(prepared.num_views(), prepared.tile_rows, prepared.tile_cols),
            std::tuple(1, 0, 0));
  ASSERT_EQ(prepared.pixels.cols(), 3 * 14 * 14);
  const float* pixels = prepared.pixels.data();
  for (int i = 0; i < 14 * 14; ++i) {
    ASSERT_EQ(pixels[i], (1.0f - 0.48145466f) / 0.26862954f);
    ASSERT_EQ(pixels[14 * 14 + i], (0.0f - 0.4578275f) / 0.26130258f);
    ASSERT_EQ(pixels[2 * 14 * 14 + i], (0.2f - 0.40821073f) / 0.27577711f);
  }
}

// Nothing is resized: what is left is the middle, an odd surplus rounded half to even.
TEST(PrepareImage, CutsTheSquareOutOfTheMiddle) {
  const ImageTransform transform{ImageTransform::Kind::kCentreCrop, 14, {0, 0, 0}, {1, 1, 1}};
  for (const auto& [length, first] : {std::pair(24, 5), std::pair(15, 0), std::pair(17, 2)}) {
    Image wide(length, 14);
    Image tall(14, length);
    for (int i = 0; i < length; ++i) {
      for (int j = 0; j < 14; ++j) {
        wide.Row(j)[3 * i] = static_cast<uint8_t>(i);
        tall.Row(i)[3 * j] = static_cast<uint8_t>(i);
      }
    }
    const PreparedImage a = PrepareImage(wide, transform, 0, TestCompute());
    const PreparedImage b = PrepareImage(tall, transform, 0, TestCompute());
    ASSERT_EQ(a.num_views(), 1);
    for (int i = 0; i < 14; ++i) {
      EXPECT_EQ(a.pixels.data()[i], static_cast<float>(first + i) / 255.0f) << length;
      EXPECT_EQ(b.pixels.data()[14 * i], static_cast<float>(first + i) / 255.0f) << length;
    }
  }
}

TEST(CropToSquare, KeepsTheProportions) {
  Image image(301, 100);  // becomes 42 x 14: the middle third is kept
  for (int y = 0; y < 100; ++y) {
    for (int x = 0; x < 301; ++x) image.Row(y)[3 * x] = x >= 100 && x < 201 ? 255 : 0;
  }
  const Image square = CropToSquare(image, 14, TestCompute());
  EXPECT_EQ(square.width, 14);
  for (int x = 1; x < 13; ++x) EXPECT_GE(square.Row(7)[3 * x], 250) << x;
  Image strip(1, 16000);
  EXPECT_THROW(CropToSquare(strip, 224, TestCompute()), Error);
}

// A picture that is resized to itself, each tile of one colour: tile t has value 20 t.
TEST(PrepareImage, PutsTilesBehindTheGlobalView) {
  const int tile = 14;
  const ImageTransform transform{ImageTransform::Kind::kTiles, tile, {0, 0, 0}, {1, 1, 1}};
  Image image(3 * tile, 2 * tile);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < 3 * image.width; ++x) {
      image.Row(y)[x] = static_cast<uint8_t>(20 * (y / tile * 3 + x / 3 / tile));
    }
  }
  const PreparedImage prepared = PrepareImage(image, transform, 6, TestCompute());
  ASSERT_EQ(std::tuple(prepared.tile_rows, prepared.tile_cols), std::tuple(2, 3));
  ASSERT_EQ(prepared.num_views(), 7);
  for (int t = 0; t < 6; ++t) {
    for (int i = 0; i < 3 * tile * tile; ++i) {
      ASSERT_EQ(prepared.pixels.Row(1 + t)[i], static_cast<float>(20 * t) / 255.0f) << t;
    }
  }
  const float* global = prepared.pixels.Row(0);  // all tiles small, side by side
  EXPECT_FLOAT_EQ(global[0], 0.0f);
  EXPECT_FLOAT_EQ(global[tile - 1], 40.0f / 255.0f);
  EXPECT_FLOAT_EQ(global[tile * tile - 1], 100.0f / 255.0f);
}

TEST(PrepareImage, DoesNotDependOnThreads) {
  Image image(61, 43);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * i / 7);
  for (const auto kind : {ImageTransform::Kind::kSquare, ImageTransform::Kind::kTiles}) {
    const ImageTransform transform{kind, 56};
    const PreparedImage a = PrepareImage(image, transform, 9, TestCompute(1));
    const PreparedImage b = PrepareImage(image, transform, 9, TestCompute(2));
    ASSERT_EQ(a.pixels.rows(), b.pixels.rows());
    for (int64_t i = 0; i < a.pixels.rows() * a.pixels.cols(); ++i) {
      ASSERT_EQ(a.pixels.data()[i], b.pixels.data()[i]);
    }
  }
}

}  // namespace
}  // namespace ixc
