// From the tower's features to the sequence of vectors that enters the projector.
//
// A view is a grid of patches. Neighbouring patches are joined in squares of merge x merge along
// the channels (VL 1, 4KHD 2: (0,0), (0,1), (1,0), (1,1)). VL has one view and nothing else. 4KHD:
//
//   global view, row by row, each row closed by the row separator; one view separator;
//   all tiles as one big grid, row by row, each row closed by the row separator
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace ixc {

struct ImageLayout {
  int merge = 1;
  std::vector<float> row_separator;   // [merge^2 width], plora_sub_GN; empty: none
  std::vector<float> view_separator;  // [merge^2 width], plora_glb_GN; empty: none
};

// How a picture was cut: tile_rows x tile_cols views behind the global one (0 x 0: only that).
struct ViewGrid {
  int tile_rows = 0;
  int tile_cols = 0;
};

int64_t NumImageTokens(const ImageLayout& layout, const ViewGrid& grid, int patches_per_side);

// features is [(1 + tiles) * patches, width]; returns [NumImageTokens, merge^2 width].
Matrix AssembleImageTokens(const ImageLayout& layout, const ViewGrid& grid, int patches_per_side,
                           ConstMatrixView features);

}  // namespace ixc
