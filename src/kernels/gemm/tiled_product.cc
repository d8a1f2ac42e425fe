#include "kernels/gemm/tiled_product.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "kernels/blocking.h"
#include "kernels/gemm/gemm_table.h"

namespace ixc {

namespace {

// On Zen 3 (L1 32 KiB, L2 512 KiB) anything from 144 to 288 rows, k blocks of 192 to 384 and chunks
// of 8 to 32 panels ran within 3 % of these; row blocks of 96 lost some to widening the weights.
constexpr int64_t kBlockK = kSumBlock;  // 256: a widened slice is 16 KiB a panel

struct Group {
  TileSpan tiles;
  int64_t panel, panels, k0;
};

// Where the slices of a group's panels lie in float32, `panel_stride` apart.
const void* WidenSlices(const GemmIsa& isa, const PackedMatrix& w, const Group& group,
                        const std::byte* from, float* widened, GemmTile& tile) {
  tile.panel_stride = w.k * 16;
  if (w.dtype == DType::kF32) return from;
  tile.panel_stride = kBlockK * 16;
  for (int64_t p = 0; p < group.panels; ++p) {
    isa.widen[TypeIndex(w.dtype)](from + static_cast<size_t>(p) * w.PanelBytes(), tile.k * 16,
                                  widened + p * tile.panel_stride);
  }
  return widened;
}

// All tiles of a span times the panels of one register tile, over one k block.
void MultiplyGroup(const GemmIsa& isa, const TiledRows& x, const PackedMatrix& w,
                   const Group& group, float* widened, float* sums) {
  GemmTile tile{};
  tile.k = std::min(kBlockK, w.k - group.k0);
  tile.panels = static_cast<int>(group.panels);
  tile.acc_stride = int64_t{16} * isa.tile_panels;
  tile.first = group.k0 == 0;
  const std::byte* from = w.data.data() + static_cast<size_t>(group.panel) * w.PanelBytes() +
                          static_cast<size_t>(group.k0) * 16 * SizeOf(w.dtype);
  tile.b = WidenSlices(isa, w, group, from, widened, tile);
  SliceFetch next(from, static_cast<int64_t>(w.PanelBytes()), group.panels,
                  tile.k * 16 * static_cast<int64_t>(SizeOf(w.dtype)),
                  group.tiles.last - group.tiles.first);
  for (int64_t t = group.tiles.first; t < group.tiles.last; ++t) {
    next.Advance();
    tile.a = x.At(t, 0, group.k0);
    tile.rows = static_cast<int>(x.NumRows(t));
    tile.acc = sums + (t - group.tiles.first) * isa.tile_rows * tile.acc_stride;
    isa.tile(tile);
  }
}

}  // namespace

TiledRows::TiledRows(const GemmIsa& isa, int64_t rows, int64_t block_rows, int64_t k)
    : tile_rows_(isa.tile_rows),
      rows_(rows),
      block_rows_(block_rows),
      k_(k),
      tiles_per_block_(CeilDiv(block_rows, isa.tile_rows)),
      num_blocks_(CeilDiv(rows, block_rows)) {
  const int64_t last_rows = rows - (num_blocks_ - 1) * block_rows;
  num_tiles_ = (num_blocks_ - 1) * tiles_per_block_ + CeilDiv(last_rows, tile_rows_);
}

TileSpan TiledRows::TilesOf(int64_t block) const {
  const int64_t first = block * tiles_per_block_;
  return {first, std::min(num_tiles_, first + tiles_per_block_)};
}

TileSpan TiledRows::TilesOf(int64_t block, RowRange rows) const {
  const TileSpan all = TilesOf(block);
  const int64_t first = block * block_rows_;
  const RowRange inside = rows.Within(RowsOf(all));
  if (inside.empty()) return {};
  return {all.first + (inside.begin - first) / tile_rows_,
          all.first + CeilDiv(inside.end - first, tile_rows_)};
}

RowRange TiledRows::RowsOf(TileSpan tiles) const {
  const int64_t last = tiles.last - 1;
  const int64_t block_end = (last / tiles_per_block_ + 1) * block_rows_;
  return {FirstRow(tiles.first), std::min({FirstRow(last) + tile_rows_, block_end, rows_})};
}

float* TiledRows::At(int64_t tile, int64_t r, int64_t i) const {
  const int64_t k0 = i / kBlockK * kBlockK;
  const int64_t depth = std::min(kBlockK, k_ - k0);
  return data_ + (k0 * num_tiles_ + tile * depth + (i - k0)) * tile_rows_ + r;
}

void TiledRows::Pack(int64_t tile, ConstMatrixView x) {
  const RowRange rows = RowsOf({tile, tile + 1});
  for (int64_t k0 = 0; k0 < k_; k0 += kBlockK) {
    const int64_t depth = std::min(kBlockK, k_ - k0);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      float* to = At(tile, row - rows.begin, k0);
      const float* from = x.Row(row) + k0;
      for (int64_t i = 0; i < depth; ++i) to[i * tile_rows_] = from[i];
    }
  }
}

TileSums MultiplyTiles(const GemmIsa& isa, const TiledRows& x, TileSpan tiles,
                       const PackedMatrix& w, int64_t first_panel, int64_t last_panel) {
  const int64_t width = int64_t{16} * isa.tile_panels;
  const int64_t per_group = (tiles.last - tiles.first) * isa.tile_rows * width;
  const int64_t groups = CeilDiv(last_panel - first_panel, isa.tile_panels);
  float* widened = ThreadScratch(ScratchUse::kOwn, kBlockK * width + groups * per_group);
  float* sums = widened + kBlockK * width;
  int64_t k0 = 0;
  do {  // also once when k is 0: the sums of nothing are zeros
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t panel = first_panel + group * isa.tile_panels;
      const int64_t panels = std::min<int64_t>(isa.tile_panels, last_panel - panel);
      MultiplyGroup(isa, x, w, {tiles, panel, panels, k0}, widened, sums + group * per_group);
    }
    k0 += kBlockK;
  } while (k0 < w.k);
  return {sums, width, per_group};
}

}  // namespace ixc
