#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <tuple>

#include "cpu/thread_pool.h"
#include "image/draw.h"

namespace ixc {
namespace {

using Pixel = std::tuple<int, int, int>;
const Pixel kOrange{255, 140, 0};
const Pixel kBlue{31, 119, 220};

Pixel At(const Image& image, int x, int y) {
  const uint8_t* p = image.Row(y) + size_t{3} * static_cast<size_t>(x);
  return {p[0], p[1], p[2]};
}

// Connected runs of a colour from top to bottom, over all columns together.
int CountMarks(const Image& image, const Pixel& color) {
  int marks = 0;
  bool inside = false;
  for (int y = 0; y < image.height; ++y) {
    bool seen = false;
    for (int x = 0; x < image.width && !seen; ++x) seen = At(image, x, y) == color;
    marks += seen && !inside ? 1 : 0;
    inside = seen;
  }
  return marks;
}

struct Drawn {
  PreparedImage prepared;
  ImageTransform transform;
  Image drawing;
};

Drawn Draw(ImageTransform::Kind kind, int view_size, int cells, int hd_num) {
  ThreadPool pool(1);
  const Compute compute{Isa::kScalar, &pool};
  Image picture(90, 60);
  for (size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<uint8_t>(i / 3 % 90);
  Drawn drawn;
  drawn.transform.kind = kind;
  drawn.transform.view_size = view_size;
  drawn.prepared = PrepareImage(picture, drawn.transform, hd_num, compute);
  drawn.drawing = DrawViews(drawn.prepared, drawn.transform, cells);
  return drawn;
}

TEST(DrawViews, MarksEveryRowSeparatorAndTheViewSeparator) {
  const Drawn drawn = Draw(ImageTransform::Kind::kTiles, 84, 3, 6);
  const int rows = 3 + drawn.prepared.tile_rows * 3;
  EXPECT_EQ(CountMarks(drawn.drawing, kOrange), rows);
  EXPECT_EQ(CountMarks(drawn.drawing, kBlue), 1);
}

TEST(DrawViews, ASquareHasNoSeparators) {
  const Drawn drawn = Draw(ImageTransform::Kind::kSquare, 70, 5, 1);
  EXPECT_EQ(CountMarks(drawn.drawing, kOrange), 0);
  EXPECT_EQ(CountMarks(drawn.drawing, kBlue), 0);
  EXPECT_GE(drawn.drawing.width, 70);
}

// What is drawn is what the model gets: normalising the drawing again gives the view.
TEST(ViewToImage, UndoesTheNormalisation) {
  const Drawn drawn = Draw(ImageTransform::Kind::kTiles, 84, 3, 6);
  for (int view = 1; view < drawn.prepared.num_views(); ++view) {
    const Image image = ViewToImage(drawn.prepared, view, drawn.transform);
    for (size_t c = 0; c < 3; ++c) {
      const float* plane = drawn.prepared.pixels.Row(view) + c * 84 * 84;
      for (size_t i = 0; i < 84 * 84; ++i) {
        const float again =
            (static_cast<float>(image.rgb[3 * i + c]) / 255.0f - drawn.transform.mean[c]) /
            drawn.transform.std[c];
        ASSERT_EQ(again, plane[i]) << "view " << view << " channel " << c << " pixel " << i;
      }
    }
  }
}

}  // namespace
}  // namespace ixc
