#include "model/image_tokens.h"

#include <algorithm>

namespace ixc {

namespace {

// Writes rows of tokens one after the other.
class TokenWriter {
 public:
  TokenWriter(const ImageLayout& layout, int patches_per_side, ConstMatrixView features,
              MatrixView tokens)
      : layout_(layout),
        patches_per_side_(patches_per_side),
        cells_per_side_(patches_per_side / layout.merge),
        features_(features),
        next_(tokens.data) {}

  // grid_rows x grid_cols views from first_view on, read as one picture.
  void WriteGrid(int first_view, int grid_rows, int grid_cols) {
    for (int row = 0; row < grid_rows * cells_per_side_; ++row) {
      for (int col = 0; col < grid_cols * cells_per_side_; ++col) {
        const int view = first_view + row / cells_per_side_ * grid_cols + col / cells_per_side_;
        WriteCell(view, row % cells_per_side_, col % cells_per_side_);
      }
      Write(layout_.row_separator);
    }
  }

  void Write(const std::vector<float>& separator) {
    next_ = std::copy(separator.begin(), separator.end(), next_);
  }

 private:
  void WriteCell(int view, int row, int col) {
    for (int dy = 0; dy < layout_.merge; ++dy) {
      for (int dx = 0; dx < layout_.merge; ++dx) {
        const int64_t patch =
            int64_t{row * layout_.merge + dy} * patches_per_side_ + col * layout_.merge + dx;
        const int64_t patches = int64_t{patches_per_side_} * patches_per_side_;
        next_ = std::copy_n(features_.Row(view * patches + patch), features_.cols, next_);
      }
    }
  }

  const ImageLayout& layout_;
  int patches_per_side_;
  int cells_per_side_;
  ConstMatrixView features_;
  float* next_;
};

}  // namespace

int64_t NumImageTokens(const ImageLayout& layout, const ViewGrid& grid, int patches_per_side) {
  const int64_t cells = patches_per_side / layout.merge;
  const int64_t row_end = layout.row_separator.empty() ? 0 : 1;
  const int64_t between = layout.view_separator.empty() ? 0 : 1;
  return cells * (cells + row_end) + between +
         grid.tile_rows * cells * (grid.tile_cols * cells + row_end);
}

Matrix AssembleImageTokens(const ImageLayout& layout, const ViewGrid& grid, int patches_per_side,
                           ConstMatrixView features) {
  Matrix tokens(NumImageTokens(layout, grid, patches_per_side),
                features.cols * layout.merge * layout.merge);
  TokenWriter writer(layout, patches_per_side, features, tokens);
  writer.WriteGrid(/*first_view=*/0, 1, 1);
  writer.Write(layout.view_separator);
  writer.WriteGrid(/*first_view=*/1, grid.tile_rows, grid.tile_cols);
  return tokens;
}

}  // namespace ixc
