// How the 4KHD model cuts a picture into square tiles: arithmetic only, no pixels.
#pragma once

namespace ixc {

// More tiles than any evaluation of the model uses (65), and few enough to bound memory.
constexpr int kMaxHdNum = 1000;

struct HdGeometry {
  // Portrait pictures are flipped over their main diagonal (rows and columns swap) before the
  // steps below and back after them. The first four sizes are those of the flipped picture.
  bool transposed = false;
  int resized_width = 0;   // a multiple of the tile size
  int resized_height = 0;  // at least 1
  int padded_height = 0;   // the next multiple of the tile size
  int pad_top = 0;         // white rows above; the rest below
  // Of the final picture, which is [tile_rows * tile, tile_cols * tile] pixels.
  int tile_rows = 0;
  int tile_cols = 0;

  int NumTiles() const { return tile_rows * tile_cols; }
};

// With r = width / height >= 1 (after the flip) the width becomes s tiles, s the largest integer
// with s ceil(s / r) <= hd_num, and the height follows, rounded down. Small pictures are enlarged.
// Throws ixc::Error when hd_num is not 1 … kMaxHdNum, and for pictures so long that no height is
// left.
HdGeometry PlanHd(int width, int height, int hd_num, int tile);

}  // namespace ixc
