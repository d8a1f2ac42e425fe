// The matrix product on many rows, cut so that each level of the cache holds what is used again:
//
//   activations   packed once a call, shared by the threads: [k block][row tile][k][tile rows]
//   task          one row block (L2) times one chunk of panels, handed out to whoever is free
//   in a task     for k block, for panels of a tile: widen their slice (L1), for row tile: multiply
//
// The sums of a task stay in a thread's own scratch, tile by tile, over all k blocks; y is written
// once, with the epilogue, and partial LoRA is added to it before it leaves the cache. Row blocks
// run fastest, so that threads share a chunk of weights in L3.
#include <algorithm>

#include "cpu/scratch.h"
#include "kernels/blocking.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/gemm/low_rank_tail.h"
#include "kernels/gemm/tiled_product.h"

namespace ixc {

namespace {

// Packed activations of one pass over the rows stay in L3.
constexpr int64_t kPackedFloats = int64_t{6} << 20;

// Outputs of one block of rows and panels [first_panel, last_panel).
void FinishRows(const GemmIsa& isa, const GemmCall& call, RowRange rows, int64_t first_panel,
                int64_t last_panel, const TileSums& sums) {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    int64_t group = 0;
    for (int64_t panel = first_panel; panel < last_panel; panel += isa.tile_panels, ++group) {
      const float* acc = sums.Row(row - rows.begin, group);
      isa.epilogue(call.EpilogueRow(acc, row, panel * kPanelWidth, sums.width));
    }
  }
}

// The product on rows [first_row, first_row + rows).
void RunPass(const GemmIsa& isa, const GemmCall& call, int64_t block_rows, int64_t first_row,
             int64_t rows, ThreadPool& pool) {
  const PackedMatrix& w = *call.w;
  TiledRows x(isa, rows, block_rows, w.k);
  LowRankTail tail(isa, call.low_rank, first_row, rows, block_rows);
  float* memory = ThreadScratch(ScratchUse::kShared, x.NumFloats() + tail.NumFloats());
  x.UseMemory(memory);
  const ConstMatrixView from = call.x.Rows(first_row, rows);
  pool.ParallelFor(x.num_tiles(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) x.Pack(tile, from);
  });
  if (!tail.empty()) tail.Prepare(x, memory + x.NumFloats(), pool);
  const int64_t blocks = x.num_blocks();
  const int64_t chunk_panels = ChunkPanels(w.NumPanels(), blocks, pool.num_threads());
  const int64_t chunks = CeilDiv(w.NumPanels(), chunk_panels);
  const auto run_task = [&](int64_t chunk, int64_t block) {
    const int64_t panel = chunk * chunk_panels;
    const int64_t last_panel = std::min(w.NumPanels(), panel + chunk_panels);
    const TileSpan tiles = x.TilesOf(block);
    const RowRange in_pass = x.RowsOf(tiles);
    FinishRows(isa, call, {first_row + in_pass.begin, first_row + in_pass.end}, panel, last_panel,
               MultiplyTiles(isa, x, tiles, w, panel, last_panel));
    tail.AddTo(call.y, block, panel * kPanelWidth, last_panel * kPanelWidth);
  };
  pool.ParallelFor(chunks * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) run_task(task / blocks, task % blocks);
  });
}

// Interleaved activations [k][rows]: one stream for the kernel. Rows a power of two apart would
// fall into the same lines of L1, which made six rows 20 % slower.
const float* Interleave(ConstMatrixView x) {
  if (x.rows == 1) return x.data;
  float* to = ThreadScratch(ScratchUse::kShared, x.rows * x.cols);
  for (int64_t r = 0; r < x.rows; ++r) {
    const float* from = x.Row(r);
    for (int64_t i = 0; i < x.cols; ++i) to[i * x.rows + r] = from[i];
  }
  return to;
}

}  // namespace

void RunGemmBlocked(const GemmIsa& isa, const GemmCall& call, const Compute& compute) {
  const int64_t block_rows = kRowBlock / isa.tile_rows * isa.tile_rows;
  const int64_t blocks =
      std::max<int64_t>(1, kPackedFloats / std::max<int64_t>(1, call.w->k) / block_rows);
  for (int64_t row = 0; row < call.x.rows; row += blocks * block_rows) {
    const int64_t rows = std::min(blocks * block_rows, call.x.rows - row);
    RunPass(isa, call, block_rows, row, rows, *compute.pool);
  }
}

void RunGemmFewRows(const GemmIsa& isa, const GemmCall& call, const Compute& compute) {
  const PackedMatrix& w = *call.w;
  const auto product = isa.few_rows[TypeIndex(w.dtype)];
  const float* x = Interleave(call.x);
  const int64_t grain = FewRowGrain(static_cast<int64_t>(w.PanelBytes()));
  compute.pool->ParallelFor(w.NumPanels(), grain, [&](int64_t begin, int64_t end) {
    constexpr int kWidth = kPanelsAtOnce * kPanelWidth;
    float sums[kMaxFewRows][kWidth];
    for (int64_t panel = begin; panel < end; panel += kPanelsAtOnce) {
      GemmFewRows few{};
      few.x = x;
      few.w = w.data.data() + static_cast<size_t>(panel) * w.PanelBytes();
      few.out = sums[0];
      few.k = w.k;
      few.out_stride = kWidth;
      few.rows = static_cast<int>(call.x.rows);
      few.panels = static_cast<int>(std::min<int64_t>(kPanelsAtOnce, end - panel));
      product(few);
      for (int r = 0; r < few.rows; ++r) {
        isa.epilogue(call.EpilogueRow(sums[r], r, panel * kPanelWidth, kWidth));
      }
    }
  });
  AddLowRank(call.x, call.low_rank, call.y, compute);
}

}  // namespace ixc
