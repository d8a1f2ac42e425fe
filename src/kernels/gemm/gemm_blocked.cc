// The matrix product on many rows, cut so that each level of the cache holds what is used again:
//
//   activations   packed once a call, shared by the threads: [k block][row tile][k][tile rows]
//   task          one row block (L2) times one chunk of panels, handed out to whoever is free
//   in a task     for k block, for panels of a tile: widen their slice (L1), for row tile: multiply
//
// The sums of a task stay in a thread's own scratch, tile by tile, over all k blocks; y is written
// once, with the epilogue. Row blocks run fastest, so that threads share a chunk of weights in L3.
#include <algorithm>

#include "cpu/scratch.h"
#include "kernels/blocking.h"
#include "kernels/gemm/gemm_table.h"

namespace ixc {

namespace {

// On Zen 3 (L1 32 KiB, L2 512 KiB) anything from 144 to 288 rows, k blocks of 192 to 384 and chunks
// of 8 to 32 panels ran within 3 % of these; row blocks of 96 lost some to widening the weights.
constexpr int64_t kBlockK = kSumBlock;  // 256: a widened slice is 16 KiB a panel
// Packed activations of one pass over the rows stay in L3.
constexpr int64_t kPackedFloats = int64_t{6} << 20;

int TypeIndex(DType dtype) {
  return dtype == DType::kF32 ? kTypeF32 : dtype == DType::kF16 ? kTypeF16 : kTypeBF16;
}

class BlockedGemm {
 public:
  BlockedGemm(const GemmIsa& isa, const GemmCall& call)
      : isa_(isa), call_(call), w_(*call.w), type_(TypeIndex(w_.dtype)) {
    tiles_per_block_ = kRowBlock / isa.tile_rows;
  }

  void Run(ThreadPool& pool) {
    const int64_t block_rows = tiles_per_block_ * isa_.tile_rows;
    const int64_t blocks =
        std::max<int64_t>(1, kPackedFloats / std::max<int64_t>(1, w_.k) / block_rows);
    for (int64_t row = 0; row < call_.x.rows; row += blocks * block_rows) {
      RunPass(row, std::min(blocks * block_rows, call_.x.rows - row), pool);
    }
  }

 private:
  void RunPass(int64_t first_row, int64_t rows, ThreadPool& pool) {
    first_row_ = first_row;
    rows_ = rows;
    tiles_ = CeilDiv(rows, isa_.tile_rows);
    packed_ = ThreadScratch(ScratchUse::kShared, tiles_ * isa_.tile_rows * w_.k);
    pool.ParallelFor(tiles_, 4, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) PackTile(tile);
    });
    const int64_t row_blocks = CeilDiv(tiles_, tiles_per_block_);
    chunk_panels_ = ChunkPanels(w_.NumPanels(), row_blocks, pool.num_threads());
    const int64_t chunks = CeilDiv(w_.NumPanels(), chunk_panels_);
    pool.ParallelFor(chunks * row_blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) RunTask(task / row_blocks, task % row_blocks);
    });
  }

  // Where the packed activations of one tile start, for the k block from k0 on of `depth` inputs.
  float* Packed(int64_t tile, int64_t k0, int64_t depth) const {
    return packed_ + (k0 * tiles_ + tile * depth) * isa_.tile_rows;
  }

  void PackTile(int64_t tile) {
    const int64_t height = isa_.tile_rows;
    for (int64_t k0 = 0; k0 < w_.k; k0 += kBlockK) {
      const int64_t depth = std::min(kBlockK, w_.k - k0);
      float* to = Packed(tile, k0, depth);
      for (int64_t r = 0; r < height; ++r) {
        const int64_t row = tile * height + r;
        if (row >= rows_) break;  // a short tile reads only the rows it has
        const float* from = call_.x.Row(first_row_ + row) + k0;
        for (int64_t i = 0; i < depth; ++i) to[i * height + r] = from[i];
      }
    }
  }

  void RunTask(int64_t chunk, int64_t row_block) {
    const int64_t first_tile = row_block * tiles_per_block_;
    const int64_t last_tile = std::min(tiles_, first_tile + tiles_per_block_);
    const int64_t first_panel = chunk * chunk_panels_;
    const int64_t last_panel = std::min(w_.NumPanels(), first_panel + chunk_panels_);
    const int64_t width = int64_t{16} * isa_.tile_panels;
    const int64_t sums_per_group = (last_tile - first_tile) * isa_.tile_rows * width;
    const int64_t groups = CeilDiv(last_panel - first_panel, isa_.tile_panels);
    float* widened = ThreadScratch(ScratchUse::kOwn, kBlockK * width + groups * sums_per_group);
    float* sums = widened + kBlockK * width;
    int64_t k0 = 0;
    do {  // also once when k is 0: the sums of nothing are zeros
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t panel = first_panel + group * isa_.tile_panels;
        const int64_t panels = std::min<int64_t>(isa_.tile_panels, last_panel - panel);
        MultiplyGroup({first_tile, last_tile, panel, panels, k0}, widened,
                      sums + group * sums_per_group);
      }
      k0 += kBlockK;
    } while (k0 < w_.k);
    Finish(first_tile, last_tile, first_panel, last_panel, sums);
  }

  struct Group {
    int64_t first_tile, last_tile, panel, panels, k0;
  };

  // All row tiles of a block times the panels of one tile, over one k block.
  void MultiplyGroup(const Group& group, float* widened, float* sums) {
    GemmTile tile{};
    tile.k = std::min(kBlockK, w_.k - group.k0);
    tile.panels = static_cast<int>(group.panels);
    tile.acc_stride = int64_t{16} * isa_.tile_panels;
    tile.first = group.k0 == 0;
    tile.panel_stride = w_.k * 16;
    const std::byte* from = w_.data.data() + static_cast<size_t>(group.panel) * w_.PanelBytes() +
                            static_cast<size_t>(group.k0) * 16 * SizeOf(w_.dtype);
    if (type_ == kTypeF32) {
      tile.b = reinterpret_cast<const float*>(from);
    } else {
      tile.panel_stride = kBlockK * 16;
      for (int64_t p = 0; p < group.panels; ++p) {
        isa_.widen[type_](from + static_cast<size_t>(p) * w_.PanelBytes(), tile.k * 16,
                          widened + p * tile.panel_stride);
      }
      tile.b = widened;
    }
    SliceFetch next(from, static_cast<int64_t>(w_.PanelBytes()), group.panels,
                    tile.k * 16 * static_cast<int64_t>(SizeOf(w_.dtype)),
                    group.last_tile - group.first_tile);
    for (int64_t t = group.first_tile; t < group.last_tile; ++t) {
      next.Advance();
      tile.a = Packed(t, group.k0, tile.k);
      tile.rows = static_cast<int>(std::min<int64_t>(isa_.tile_rows, rows_ - t * isa_.tile_rows));
      tile.acc = sums + (t - group.first_tile) * isa_.tile_rows * tile.acc_stride;
      isa_.tile(tile);
    }
  }

  void Finish(int64_t first_tile, int64_t last_tile, int64_t first_panel, int64_t last_panel,
              const float* sums) {
    const int64_t width = int64_t{16} * isa_.tile_panels;
    const int64_t first = first_tile * isa_.tile_rows;
    const int64_t last = std::min(rows_, last_tile * isa_.tile_rows);
    const int64_t sums_per_group = (last_tile - first_tile) * isa_.tile_rows * width;
    for (int64_t row = first; row < last; ++row) {
      const float* acc = sums + (row - first) * width;
      for (int64_t panel = first_panel; panel < last_panel; panel += isa_.tile_panels) {
        isa_.epilogue(call_.EpilogueRow(acc, first_row_ + row, panel * kPanelWidth, width));
        acc += sums_per_group;
      }
    }
  }

  const GemmIsa& isa_;
  const GemmCall& call_;
  const PackedMatrix& w_;
  const int type_;
  int64_t tiles_per_block_ = 0;
  // Of the pass.
  int64_t first_row_ = 0;
  int64_t rows_ = 0;
  int64_t tiles_ = 0;
  int64_t chunk_panels_ = 0;
  float* packed_ = nullptr;
};

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
  BlockedGemm(isa, call).Run(*compute.pool);
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
}

}  // namespace ixc
