// The inner part of a product on many rows: activations packed in tiles, and the sums that one task
// makes of some tiles and some panels of weights.
#pragma once

#include <cstdint>

#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/packed_matrix.h"
#include "tensor/tensor.h"

namespace ixc {

// Tiles [first, last) of one block.
struct TileSpan {
  int64_t first = 0;
  int64_t last = 0;
  bool empty() const { return first >= last; }
};

// Rows of activations in blocks (what a task has at once) of tiles (what registers hold), in the
// order in which tiles are read: [k block of kSumBlock][tile][k][tile rows]. Every block begins
// with a tile of its own; its last tile may be short, and the rows that it lacks are never written.
class TiledRows {
 public:
  TiledRows(const GemmIsa& isa, int64_t rows, int64_t block_rows, int64_t k);

  int64_t num_tiles() const { return num_tiles_; }
  int64_t num_blocks() const { return num_blocks_; }
  int64_t k() const { return k_; }
  // Of the memory that UseMemory() takes.
  int64_t NumFloats() const { return num_tiles_ * tile_rows_ * k_; }
  void UseMemory(float* memory) { data_ = memory; }

  TileSpan TilesOf(int64_t block) const;
  // The tiles of `block` that hold some of these rows.
  TileSpan TilesOf(int64_t block, RowRange rows) const;
  RowRange RowsOf(TileSpan tiles) const;

  int64_t NumRows(int64_t tile) const { return RowsOf({tile, tile + 1}).end - FirstRow(tile); }

  // Fills a tile from the rows of x, row 0 being the first of all.
  void Pack(int64_t tile, ConstMatrixView x);
  // Column `i` of row `r` of a tile; the columns of its k block follow `tile_rows` apart.
  float* At(int64_t tile, int64_t r, int64_t i) const;

 private:
  int64_t FirstRow(int64_t tile) const {
    return tile / tiles_per_block_ * block_rows_ + tile % tiles_per_block_ * tile_rows_;
  }

  int64_t tile_rows_, rows_, block_rows_, k_;
  int64_t tiles_per_block_, num_blocks_, num_tiles_;
  float* data_ = nullptr;
};

// The sums of a task, in memory of the thread: tile by tile for each group of panels that the
// register tile takes at once.
struct TileSums {
  const float* data = nullptr;
  int64_t width = 0;      // columns of a group
  int64_t per_group = 0;  // floats
  // Row r of the span, first column of a group.
  const float* Row(int64_t r, int64_t group) const { return data + group * per_group + r * width; }
};

// x W^T for some tiles of one block and panels [first_panel, last_panel) of w. Valid until the
// thread's next use of its own scratch memory.
TileSums MultiplyTiles(const GemmIsa& isa, const TiledRows& x, TileSpan tiles,
                       const PackedMatrix& w, int64_t first_panel, int64_t last_panel);

}  // namespace ixc
