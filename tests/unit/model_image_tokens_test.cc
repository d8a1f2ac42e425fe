#include <gtest/gtest.h>

#include "model/image_tokens.h"

namespace ixc {
namespace {

// Features whose value names view and patch: 100 view + patch.
Matrix NumberedFeatures(int views, int patches) {
  Matrix features(views * patches, 1);
  for (int view = 0; view < views; ++view) {
    for (int patch = 0; patch < patches; ++patch) {
      features.data()[view * patches + patch] = static_cast<float>(100 * view + patch);
    }
  }
  return features;
}

TEST(ImageTokens, OneViewWithoutMergeOrSeparatorsIsPassedOn) {
  const Matrix features = NumberedFeatures(1, 9);
  const Matrix tokens = AssembleImageTokens({}, {}, 3, features);
  ASSERT_EQ(tokens.rows(), 9);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(tokens.data()[i], static_cast<float>(i));
}

TEST(ImageTokens, TilesAreReadAsOnePictureWithSeparators) {
  ImageLayout layout;
  layout.merge = 2;
  layout.row_separator = {-1, -1, -1, -1};
  layout.view_separator = {-2, -2, -2, -2};
  // 4x4 patches a view, so 2x2 cells; one row of two tiles behind the global view.
  const Matrix tokens = AssembleImageTokens(layout, {1, 2}, 4, NumberedFeatures(3, 16));
  ASSERT_EQ(tokens.rows(), 2 * 3 + 1 + 2 * 5);
  ASSERT_EQ(tokens.cols(), 4);
  const auto row = [&](int i) { return std::vector<float>(tokens.Row(i), tokens.Row(i) + 4); };
  EXPECT_EQ(row(0), (std::vector<float>{0, 1, 4, 5}));
  EXPECT_EQ(row(1), (std::vector<float>{2, 3, 6, 7}));
  EXPECT_EQ(row(2), layout.row_separator);
  EXPECT_EQ(row(6), layout.view_separator);
  EXPECT_EQ(row(8), (std::vector<float>{102, 103, 106, 107}));
  EXPECT_EQ(row(9), (std::vector<float>{200, 201, 204, 205}));
  EXPECT_EQ(row(11), layout.row_separator);
  EXPECT_EQ(row(12), (std::vector<float>{108, 109, 112, 113}));
}

TEST(ImageTokens, CountsOfTheRealModel) {
  ImageLayout layout;
  layout.merge = 2;
  layout.row_separator = layout.view_separator = {0};
  EXPECT_EQ(NumImageTokens(layout, {5, 5}, 24), 3817);
  EXPECT_EQ(NumImageTokens(layout, {6, 9}, 24), 8005);
  EXPECT_EQ(NumImageTokens({}, {}, 35), 1225);
}

}  // namespace
}  // namespace ixc
