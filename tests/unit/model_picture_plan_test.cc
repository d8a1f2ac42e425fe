#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/error.h"
#include "model/picture_plan.h"

namespace ixc {
namespace {

ModelConfig RealConfig() {
  ModelConfig config;  // the tower's defaults are the real ones
  config.hidden_size = 4096;
  config.intermediate_size = 14336;
  return config;
}

PicturePlan Plan(int width, int height, int hd_num) {
  return PlanPicture(ModelKind::k4khd, RealConfig(), width, height, hd_num);
}

TEST(PicturePlan, VlIsOneSquareWithATokenAPatch) {
  const PicturePlan plan = PlanPicture(ModelKind::kVl, RealConfig(), 4000, 30, 25);
  EXPECT_EQ(plan.num_views(), 1);
  EXPECT_EQ(plan.transform.view_size, 490);
  EXPECT_EQ(plan.cells_per_side, 35);
  EXPECT_EQ(plan.image_tokens, 1225);
  EXPECT_FALSE(plan.has_separators);
}

// T = (h w + 1) 144 + 1 + (h + 1) 12 for the real tower, h rows of w views.
TEST(PicturePlan, TokensOf4khdFollowTheFormula) {
  for (int hd_num : {1, 4, 16, 25, 55, 1000}) {
    for (const auto& [width, height] :
         {std::pair{1000, 1000}, {640, 480}, {480, 640}, {3840, 1600}}) {
      const PicturePlan plan = Plan(width, height, hd_num);
      const int64_t h = plan.geometry.tile_rows;
      const int64_t w = plan.geometry.tile_cols;
      EXPECT_LE(h * w, hd_num);
      EXPECT_EQ(plan.num_views(), 1 + h * w);
      EXPECT_EQ(plan.image_tokens, (h * w + 1) * 144 + 1 + (h + 1) * 12);
    }
  }
}

// Rows such as "| 640 x 480 | 3 x 4, 1921 | 4 x 5, 3085 | 6 x 8, 7141 |".
TEST(PicturePlan, TableInTheDocumentationIsTrue) {
  std::ifstream file(IXC_SOURCE_DIR "/docs/pictures-to-tokens.md");
  constexpr int kHdNums[] = {16, 25, 55};
  struct Cell {
    int64_t rows, cols, tokens;
  };
  int num_rows = 0;
  std::string line;
  while (std::getline(file, line)) {
    int width = 0;
    int height = 0;
    Cell cells[3] = {};
    auto& [a, b, c] = cells;
    const int read =
        std::sscanf(line.c_str(), "| %d x %d | %ld x %ld, %ld | %ld x %ld, %ld | %ld x %ld, %ld |",
                    &width, &height, &a.rows, &a.cols, &a.tokens, &b.rows, &b.cols, &b.tokens,
                    &c.rows, &c.cols, &c.tokens);
    if (read < 2) continue;
    ++num_rows;
    ASSERT_EQ(read, 11) << line;
    for (size_t i = 0; i < std::size(kHdNums); ++i) {
      const PicturePlan plan = Plan(width, height, kHdNums[i]);
      EXPECT_EQ(plan.geometry.tile_rows, cells[i].rows) << line;
      EXPECT_EQ(plan.geometry.tile_cols, cells[i].cols) << line;
      EXPECT_EQ(plan.image_tokens, cells[i].tokens) << line;
    }
  }
  EXPECT_GE(num_rows, 8);
}

TEST(PicturePlan, MemoryOfALargeDocumentStaysUnderAGibibyte) {
  const PicturePlan plan = Plan(3840, 1600, 55);
  const uint64_t bytes = PlanPictureBytes(plan, RealConfig(), plan.image_tokens + 150);
  EXPECT_GT(bytes, uint64_t{300} << 20);  // pixels, features and embeddings alone
  EXPECT_LT(bytes, uint64_t{1} << 30);
}

TEST(PicturePlan, ALineOfPixelsIsAnErrorThatNamesTheLimit) {
  EXPECT_THROW(Plan(16384, 1, 25), Error);
  EXPECT_NO_THROW(Plan(1, 500, 25));
}

}  // namespace
}  // namespace ixc
