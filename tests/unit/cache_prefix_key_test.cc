#include <gtest/gtest.h>

#include <numeric>

#include "cache/prefix_key.h"

namespace ixc {
namespace {

Image Gradient(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  image.rgb.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  std::iota(image.rgb.begin(), image.rgb.end(), uint8_t{0});
  return image;
}

ImageTransform Transform(ImageTransform::Kind kind, int view_size) {
  ImageTransform transform;
  transform.kind = kind;
  transform.view_size = view_size;
  return transform;
}

const ImageTransform kCut = Transform(ImageTransform::Kind::kTiles, 84);
const ImageTransform kSquashed = Transform(ImageTransform::Kind::kSquare, 84);

TEST(PictureIdentity, IsTheSameForTheSamePictureCutTheSameWay) {
  EXPECT_EQ(IdentityOf(Gradient(6, 4), kCut, 4), IdentityOf(Gradient(6, 4), kCut, 4));
  EXPECT_FALSE(IdentityOf(Gradient(6, 4), kCut, 4) == PictureIdentity{}) << "zero stands for text";
}

TEST(PictureIdentity, DependsOnPixelsShapeAndTransform) {
  const PictureIdentity first = IdentityOf(Gradient(6, 4), kCut, 4);
  Image changed = Gradient(6, 4);
  changed.rgb.back() ^= 1;
  EXPECT_FALSE(first == IdentityOf(changed, kCut, 4));
  EXPECT_FALSE(first == IdentityOf(Gradient(4, 6), kCut, 4)) << "same bytes, other shape";
  EXPECT_FALSE(first == IdentityOf(Gradient(6, 4), kCut, 9));
  EXPECT_FALSE(first == IdentityOf(Gradient(6, 4), kSquashed, 4));
  EXPECT_FALSE(first ==
               IdentityOf(Gradient(6, 4), Transform(ImageTransform::Kind::kTiles, 336), 4));
}

TEST(PictureIdentity, KnowsThatASquashedPictureHasNoHdNumber) {
  EXPECT_EQ(IdentityOf(Gradient(6, 4), kSquashed, 4), IdentityOf(Gradient(6, 4), kSquashed, 25));
}

TEST(CommonPrefix, EndsAtTheFirstDifference) {
  const PictureIdentity picture{1, 2};
  const std::vector<PositionKey> left = {{{}, 7}, {picture, 0}, {picture, 1}, {{}, 8}};
  EXPECT_EQ(CommonPrefix(left, left), 4);
  EXPECT_EQ(CommonPrefix(left, {}), 0);
  EXPECT_EQ(CommonPrefix(std::span(left).first(3), left), 3);
  std::vector<PositionKey> right = left;
  right[2].picture.high = 3;
  EXPECT_EQ(CommonPrefix(left, right), 2);
  right = left;
  right[3] = {picture, 8};  // a picture's row is no token of the same number
  EXPECT_EQ(CommonPrefix(left, right), 3);
}

}  // namespace
}  // namespace ixc
