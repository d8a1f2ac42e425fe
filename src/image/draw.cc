#include "image/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

namespace {

struct Rgb {
  uint8_t r, g, b;
};
constexpr Rgb kPaper{250, 250, 248};
constexpr Rgb kInk{40, 40, 40};
constexpr Rgb kViewBorder{214, 39, 40};
constexpr Rgb kRowSeparator{255, 140, 0};
constexpr Rgb kViewSeparator{31, 119, 220};

constexpr int kMargin = 12;
constexpr int kGlyphColumns = 3;
constexpr int kGlyphRows = 5;
constexpr int kDot = 2;  // pixels a dot of a glyph
constexpr int kLineHeight = (kGlyphRows + 3) * kDot;

// Five rows of three dots, the topmost first; an octal digit a row.
struct Glyph {
  char character;
  int rows;
};
constexpr auto kGlyphs = std::to_array<Glyph>({
    {'0', 075557}, {'1', 026227}, {'2', 071747}, {'3', 071717}, {'4', 055711}, {'5', 074717},
    {'6', 074757}, {'7', 071122}, {'8', 075757}, {'9', 075717}, {'A', 025755}, {'B', 065656},
    {'C', 034443}, {'D', 065556}, {'E', 074647}, {'F', 074644}, {'G', 034553}, {'H', 055755},
    {'I', 072227}, {'J', 011152}, {'K', 055655}, {'L', 044447}, {'M', 057755}, {'N', 065555},
    {'O', 025552}, {'P', 065644}, {'Q', 025563}, {'R', 065655}, {'S', 034216}, {'T', 072222},
    {'U', 055557}, {'V', 055552}, {'W', 055775}, {'X', 055255}, {'Y', 055222}, {'Z', 071247},
    {',', 000024}, {'.', 000002}, {':', 002020}, {'+', 002720}, {'=', 007070}, {'-', 000700},
});

class Canvas {
 public:
  Canvas(int width, int height) : image_(width, height) { Fill(0, 0, width, height, kPaper); }

  void Fill(int left, int top, int width, int height, Rgb color) {
    for (int y = std::max(top, 0); y < std::min(top + height, image_.height); ++y) {
      for (int x = std::max(left, 0); x < std::min(left + width, image_.width); ++x) {
        uint8_t* pixel = image_.Row(y) + size_t{3} * static_cast<size_t>(x);
        pixel[0] = color.r;
        pixel[1] = color.g;
        pixel[2] = color.b;
      }
    }
  }

  void Put(int left, int top, const Image& picture) {
    for (int y = 0; y < picture.height; ++y) {
      std::copy_n(picture.Row(y), picture.RowBytes(),
                  image_.Row(top + y) + size_t{3} * static_cast<size_t>(left));
    }
  }

  // A line that shows on any picture: halfway to white where that is dark, to black where bright.
  void Shade(int left, int top, int width, int height) {
    for (int y = top; y < top + height; ++y) {
      uint8_t* pixel = image_.Row(y) + size_t{3} * static_cast<size_t>(left);
      for (int i = 0; i < 3 * width; i += 3) {
        const int sum = pixel[i] + pixel[i + 1] + pixel[i + 2];
        for (int c = 0; c < 3; ++c) {
          pixel[i + c] = static_cast<uint8_t>((pixel[i + c] * 2 + (sum < 384 ? 255 : 0)) / 3);
        }
      }
    }
  }

  // Characters without a glyph leave a gap.
  void Write(int left, int top, std::string_view text) {
    for (char character : text) {
      const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
      const auto glyph = std::find_if(kGlyphs.begin(), kGlyphs.end(),
                                      [&](const Glyph& g) { return g.character == upper; });
      if (glyph != kGlyphs.end()) PutGlyph(left, top, glyph->rows);
      left += (kGlyphColumns + 1) * kDot;
    }
  }

  static int TextWidth(std::string_view text) {
    return static_cast<int>(text.size()) * (kGlyphColumns + 1) * kDot;
  }

  Image Take() { return std::move(image_); }

 private:
  void PutGlyph(int left, int top, int rows) {
    for (int y = 0; y < kGlyphRows; ++y) {
      const int row = rows >> (3 * (kGlyphRows - 1 - y)) & 7;
      for (int x = 0; x < kGlyphColumns; ++x) {
        if (row >> (kGlyphColumns - 1 - x) & 1) {
          Fill(left + x * kDot, top + y * kDot, kDot, kDot, kInk);
        }
      }
    }
  }

  Image image_;
};

// Views side by side with their cells, and the text above them.
struct Block {
  int first_view = 0;
  int rows = 1;  // of views
  int cols = 1;
  std::string label;
};

class ViewDrawing {
 public:
  ViewDrawing(const PreparedImage& prepared, const ImageTransform& transform, int cells_per_side)
      : prepared_(prepared),
        transform_(transform),
        size_(prepared.view_size),
        cells_(cells_per_side),
        cell_(size_ / cells_per_side),
        is_cut_(transform.kind == ImageTransform::Kind::kTiles) {}

  Image Draw() const {
    const int tile_rows = prepared_.tile_rows;
    const int tile_cols = prepared_.tile_cols;
    if (!is_cut_) return DrawBlocks({{0, 1, 1, Label("one view", cells_, cells_)}}, "");
    const Block whole{0, 1, 1, Label("global view", cells_, cells_)};
    const Block views{1, tile_rows, tile_cols,
                      Label(fmt::format("{} x {} views", tile_rows, tile_cols), tile_rows * cells_,
                            tile_cols * cells_)};
    return DrawBlocks({whole, views}, "view separator: 1 token");
  }

 private:
  std::string Label(const std::string& what, int rows, int cols) const {
    const int per_row = cols + (is_cut_ ? 1 : 0);
    return fmt::format("{}: {} rows of {}{} = {} tokens", what, rows, cols, is_cut_ ? " + 1" : "",
                       rows * per_row);
  }

  int SeparatorSide() const { return std::max(cell_ / 2, 3); }
  int WidthOf(const Block& block) const { return block.cols * size_ + 2 * SeparatorSide(); }

  Image DrawBlocks(const std::vector<Block>& blocks, const std::string& between) const {
    int width = Canvas::TextWidth(between);
    int height = kMargin;
    for (const Block& block : blocks) {
      width = std::max({width, WidthOf(block), Canvas::TextWidth(block.label)});
      height += kLineHeight + block.rows * size_ + kMargin;
    }
    const int separators = static_cast<int>(blocks.size()) - 1;
    height += separators * (SeparatorSide() + kMargin);
    Canvas canvas(width + 2 * kMargin, height);
    int top = kMargin;
    for (const Block& block : blocks) {
      if (&block != &blocks.front()) {
        canvas.Fill(kMargin, top, SeparatorSide(), SeparatorSide(), kViewSeparator);
        canvas.Write(2 * kMargin + SeparatorSide(), top + (SeparatorSide() - kGlyphRows * kDot) / 2,
                     between);
        top += SeparatorSide() + kMargin;
      }
      canvas.Write(kMargin, top, block.label);
      top += kLineHeight;
      DrawBlock(block, top, canvas);
      top += block.rows * size_ + kMargin;
    }
    return canvas.Take();
  }

  void DrawBlock(const Block& block, int top, Canvas& canvas) const {
    for (int row = 0; row < block.rows; ++row) {
      for (int col = 0; col < block.cols; ++col) {
        const int view = block.first_view + row * block.cols + col;
        DrawView(view, kMargin + col * size_, top + row * size_, canvas);
      }
    }
    if (!is_cut_) return;
    const int side = SeparatorSide();
    const int left = kMargin + block.cols * size_ + side / 2;
    for (int row = 0; row < block.rows * cells_; ++row) {
      canvas.Fill(left, top + row * cell_ + (cell_ - side) / 2, side, side, kRowSeparator);
    }
  }

  void DrawView(int view, int left, int top, Canvas& canvas) const {
    canvas.Put(left, top, ViewToImage(prepared_, view, transform_));
    for (int i = 1; i < cells_; ++i) {
      canvas.Shade(left + i * cell_, top, 1, size_);
      canvas.Shade(left, top + i * cell_, size_, 1);
    }
    for (const int edge : {0, size_ - 1}) {
      canvas.Fill(left + edge, top, 1, size_, kViewBorder);
      canvas.Fill(left, top + edge, size_, 1, kViewBorder);
    }
  }

  const PreparedImage& prepared_;
  const ImageTransform& transform_;
  const int size_;   // of a view in pixels
  const int cells_;  // along a side
  const int cell_;   // side of a cell in pixels
  const bool is_cut_;
};

}  // namespace

Image ViewToImage(const PreparedImage& prepared, int view, const ImageTransform& transform) {
  const int size = prepared.view_size;
  const int64_t plane = int64_t{size} * size;
  Image image(size, size);
  for (int64_t c = 0; c < 3; ++c) {
    const float* in = prepared.pixels.Row(view) + c * plane;
    const float std = transform.std[static_cast<size_t>(c)];
    const float mean = transform.mean[static_cast<size_t>(c)];
    for (int64_t i = 0; i < plane; ++i) {
      // The global view is a bicubic picture and may overshoot.
      const float level = std::clamp((in[i] * std + mean) * 255.0f, 0.0f, 255.0f);
      image.rgb[static_cast<size_t>(3 * i + c)] = static_cast<uint8_t>(std::lround(level));
    }
  }
  return image;
}

Image DrawViews(const PreparedImage& prepared, const ImageTransform& transform,
                int cells_per_side) {
  return ViewDrawing(prepared, transform, cells_per_side).Draw();
}

}  // namespace ixc
