// The product of integer weights on many rows, cut like the float product (gemm_blocked.cc):
//
//   activations   quantized and packed once a call, shared by the threads:
//                 [k block][row tile][k / step][tile rows][step]
//   task          one row block (L2) times one chunk of panels, handed out to whoever is free
//   in a task     for k block, for panels of a tile: unpack their slice (L1), for row tile:
//   multiply
//
// and on few rows, where the weights stream past once. Outliers of w8a8s go into the unpacked
// slice where it holds bytes, and cost next to nothing there; where it holds nibbles, and on few
// rows, they are added behind it. Partial LoRA goes behind the tasks of the float product and of
// this one alike, here from rows that are packed once more, in float.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/scratch.h"
#include "kernels/blocking.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/gemm/low_rank_tail.h"
#include "kernels/qgemm/qgemm_table.h"

namespace ixc {

namespace {

// Packed activations of one pass over the rows stay in L3.
constexpr int64_t kPackedBytes = int64_t{24} << 20;
// With low-rank terms: those in float, which are read once from end to end.
constexpr int64_t kPackedFloatBytes = int64_t{48} << 20;

// A float buffer of scratch memory, handed out piece by piece, 64-byte aligned.
class Carver {
 public:
  explicit Carver(float* memory) : at_(reinterpret_cast<std::byte*>(memory)) {}
  template <typename T>
  T* Take(int64_t count) {
    T* piece = reinterpret_cast<T*>(at_);
    at_ += Padded(count * int64_t{sizeof(T)});
    return piece;
  }
  static int64_t Padded(int64_t bytes) { return CeilDiv(bytes, 64) * 64; }

 private:
  std::byte* at_;
};

const uint8_t* PanelStart(const QuantizedMatrix& w, int64_t panel) {
  return reinterpret_cast<const uint8_t*>(w.data.data()) +
         static_cast<size_t>(panel) * w.PanelBytes();
}

const uint16_t* GroupScales(const QuantizedMatrix& w, int64_t panel, int64_t k0) {
  if (w.group == 0) return nullptr;
  return reinterpret_cast<const uint16_t*>(w.group_scales.data()) +
         (panel * w.NumGroups() + k0 / w.group) * 16;
}

// One row through the code's quantizer; sums has one entry for every 32 inputs.
float Quantize(const QGemmCode& code, const QuantizedMatrix& w, const float* x, int8_t* q,
               int32_t* sums) {
  float scale;
  code.quantize({x, q, sums, w.k, w.PaddedK(), !w.has_static_input(), w.input_scale,
                 static_cast<float>(w.input_offset)},
                &scale);
  return scale;
}

// Sums over groups from sums over 32 inputs: to[g * stride].
void SumGroups(const QuantizedMatrix& w, const int32_t* sums, int32_t* to, int64_t stride) {
  const int64_t count = w.PaddedK() / kSumInputs;
  const int64_t per_group = w.group / kSumInputs;
  for (int64_t g = 0; g < w.NumGroups(); ++g) {
    int32_t sum = 0;
    for (int64_t i = g * per_group; i < std::min(count, (g + 1) * per_group); ++i) sum += sums[i];
    to[g * stride] = sum;
  }
}

int32_t SumAll(const QuantizedMatrix& w, const int32_t* sums) {
  int32_t sum = 0;
  for (int64_t i = 0; i < w.PaddedK() / kSumInputs; ++i) sum += sums[i];
  return sum;
}

// Adds the outliers of 16 outputs with inputs in [k0, k0 + depth) to an unpacked slice, bytes
// [k / 4][16][4].
void PatchOutliers(const QuantizedMatrix& w, int64_t panel, int64_t k0, int64_t depth,
                   uint8_t* slice) {
  for (int64_t j = 0; j < 16; ++j) {
    const auto row = static_cast<size_t>(panel * 16 + j);
    const uint32_t* end = w.outliers.data() + w.outlier_begin[row + 1];
    const uint32_t* at = std::lower_bound(w.outliers.data() + w.outlier_begin[row], end,
                                          static_cast<uint32_t>(k0) << 8);
    for (; at < end && *at >> 8 < k0 + depth; ++at) {
      const int64_t i = (*at >> 8) - k0;
      uint8_t& weight = slice[(i / 4 * 16 + j) * 4 + i % 4];
      weight = static_cast<uint8_t>(weight + (*at & 0xff));
    }
  }
}

class BlockedQGemm {
 public:
  // `floats` is what low-rank terms run with.
  BlockedQGemm(const QGemmCode& code, const GemmIsa& floats, const QGemmCall& call)
      : code_(code), floats_(floats), call_(call), w_(*call.w), k_(call.w->PaddedK()) {
    const int64_t block_rows = code.block_rows > 0 ? code.block_rows : kRowBlock;
    tiles_per_block_ = std::max<int64_t>(1, block_rows / code.tile_rows);
  }

  void Run(ThreadPool& pool) {
    const int64_t block_rows = tiles_per_block_ * code_.tile_rows;
    const int64_t inputs = std::max<int64_t>(1, k_);
    int64_t rows = kPackedBytes / (inputs * code_.b_bytes);
    if (!call_.low_rank.empty()) rows = std::min(rows, kPackedFloatBytes / (inputs * 4));
    const int64_t blocks = std::max<int64_t>(1, rows / block_rows);
    for (int64_t row = 0; row < call_.x.rows; row += blocks * block_rows) {
      RunPass(row, std::min(blocks * block_rows, call_.x.rows - row), pool);
    }
  }

 private:
  void RunPass(int64_t first_row, int64_t rows, ThreadPool& pool) {
    first_row_ = first_row;
    rows_ = rows;
    tiles_ = CeilDiv(rows, code_.tile_rows);
    const int64_t padded_rows = tiles_ * code_.tile_rows;
    const int64_t block_rows = tiles_per_block_ * code_.tile_rows;
    LowRankTail tail(floats_, call_.low_rank, first_row, rows, block_rows);
    TiledRows x(floats_, rows, block_rows, w_.k);
    const int64_t tail_floats = tail.empty() ? 0 : x.NumFloats() + tail.NumFloats();
    const int64_t bytes = Carver::Padded(padded_rows * k_ * code_.b_bytes) +
                          2 * Carver::Padded(padded_rows * 4) +
                          Carver::Padded(padded_rows * w_.NumGroups() * 4);
    Carver shared(ThreadScratch(ScratchUse::kShared, bytes / 4 + tail_floats));
    packed_ = shared.Take<uint8_t>(padded_rows * k_ * code_.b_bytes);
    row_scale_ = shared.Take<float>(padded_rows);
    row_sum_ = shared.Take<int32_t>(padded_rows);
    group_sums_ = shared.Take<int32_t>(padded_rows * w_.NumGroups());
    if (!tail.empty()) PrepareTail(tail, x, shared.Take<float>(tail_floats), pool);
    pool.ParallelFor(tiles_, 2, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) PackTile(tile);
    });
    const int64_t row_blocks = CeilDiv(tiles_, tiles_per_block_);
    chunk_panels_ = ChunkPanels(w_.NumPanels(), row_blocks, pool.num_threads());
    const int64_t chunks = CeilDiv(w_.NumPanels(), chunk_panels_);
    pool.ParallelFor(chunks * row_blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        RunTask(task / row_blocks, task % row_blocks);
        const int64_t output = task / row_blocks * chunk_panels_ * 16;
        tail.AddTo(call_.y, task % row_blocks, output, output + chunk_panels_ * 16);
      }
    });
  }

  void PrepareTail(LowRankTail& tail, TiledRows& x, float* memory, ThreadPool& pool) const {
    x.UseMemory(memory);
    std::vector<int64_t> wanted;
    for (int64_t block = 0; block < x.num_blocks(); ++block) {
      const TileSpan tiles = tail.Wanted(x, block);
      for (int64_t tile = tiles.first; tile < tiles.last; ++tile) wanted.push_back(tile);
    }
    const ConstMatrixView rows = call_.x.Rows(first_row_, rows_);
    pool.ParallelFor(static_cast<int64_t>(wanted.size()), 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) x.Pack(wanted[static_cast<size_t>(i)], rows);
    });
    tail.Prepare(x, memory + x.NumFloats(), pool);
  }

  // Where the packed activations of one tile start, for the k block from k0 on of `depth` inputs.
  uint8_t* Packed(int64_t tile, int64_t k0, int64_t depth) const {
    return packed_ + PackedAt(tiles_, tile, k0, depth) * code_.tile_rows * code_.b_bytes;
  }

  void PackTile(int64_t tile) {
    const int64_t height = code_.tile_rows;
    Carver own(ThreadScratch(ScratchUse::kOwn,
                             (Carver::Padded(k_) + Carver::Padded(k_ / kSumInputs * 4)) / 4));
    auto* q = own.Take<int8_t>(k_);
    auto* sums = own.Take<int32_t>(k_ / kSumInputs);
    for (int64_t r = 0; r < height && tile * height + r < rows_; ++r) {
      const int64_t row = tile * height + r;
      row_scale_[row] = Quantize(code_, w_, call_.x.Row(first_row_ + row), q, sums);
      row_sum_[row] = SumAll(w_, sums);
      if (w_.group != 0) SumGroups(w_, sums, GroupSums(tile, 0) + r, height);
      for (int64_t k0 = 0; k0 < k_; k0 += kQuantBlockK) {
        const int64_t depth = std::min(kQuantBlockK, k_ - k0);
        Interleave(q + k0, depth, r, Packed(tile, k0, depth));
      }
    }
  }

  int32_t* GroupSums(int64_t tile, int64_t k0) const {
    if (w_.group == 0) return nullptr;
    return group_sums_ + (tile * w_.NumGroups() + k0 / w_.group) * code_.tile_rows;
  }

  // Row r of a tile: from q[depth] to to[depth / step][tile rows][step].
  void Interleave(const int8_t* q, int64_t depth, int64_t r, uint8_t* to) const {
    const int64_t height = code_.tile_rows;
    if (code_.b_bytes == 2) {
      auto* wide = reinterpret_cast<int16_t*>(to) + r * 2;
      for (int64_t i = 0; i < depth; i += 2, wide += height * 2) {
        wide[0] = q[i];
        wide[1] = q[i + 1];
      }
    } else if (code_.step == 4) {
      for (int64_t i = 0; i < depth; i += 4) std::memcpy(to + i * height + r * 4, q + i, 4);
    } else {
      const auto step = static_cast<size_t>(code_.step);
      for (int64_t i = 0; i < depth; i += code_.step) {
        std::memcpy(to + i * height + r * code_.step, q + i, step);
      }
    }
  }

  void RunTask(int64_t chunk, int64_t row_block) {
    const int64_t first_tile = row_block * tiles_per_block_;
    const int64_t last_tile = std::min(tiles_, first_tile + tiles_per_block_);
    const int64_t first_panel = chunk * chunk_panels_;
    const int64_t last_panel = std::min(w_.NumPanels(), first_panel + chunk_panels_);
    const int64_t width = int64_t{16} * code_.tile_panels;
    const int64_t sums_per_group = (last_tile - first_tile) * code_.tile_rows * width;
    const int64_t groups = CeilDiv(last_panel - first_panel, code_.tile_panels);
    const int64_t slice_bytes = kQuantBlockK * width * code_.b_bytes;
    Carver own(ThreadScratch(
        ScratchUse::kOwn,
        (Carver::Padded(slice_bytes) + Carver::Padded(groups * sums_per_group * 4)) / 4));
    auto* slice = own.Take<std::byte>(slice_bytes);
    auto* sums = own.Take<int32_t>(groups * sums_per_group);
    if (k_ == 0) std::fill_n(sums, groups * sums_per_group, 0);
    if (code_.enter != nullptr) code_.enter(w_.group);
    for (int64_t k0 = 0; k0 < k_; k0 += kQuantBlockK) {
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t panel = first_panel + group * code_.tile_panels;
        const int64_t panels = std::min<int64_t>(code_.tile_panels, last_panel - panel);
        MultiplyGroup({first_tile, last_tile, panel, panels, k0}, slice,
                      sums + group * sums_per_group);
      }
    }
    if (code_.leave != nullptr) code_.leave();
    if (!w_.outlier_begin.empty() && code_.outliers != nullptr) {
      for (int64_t panel = first_panel; panel < last_panel; ++panel) {
        const int64_t group = (panel - first_panel) / code_.tile_panels;
        AddPanelOutliers(
            first_tile, last_tile, panel,
            sums + group * sums_per_group + (panel - first_panel) % code_.tile_panels * 16);
      }
    }
    Finish(first_tile, last_tile, first_panel, last_panel, sums);
  }

  struct Group {
    int64_t first_tile, last_tile, panel, panels, k0;
  };

  // Unpacks the slices of a group's panels if need be, and says where they are.
  void PrepareSlices(const Group& group, std::byte* slice, QGemmTile& tile) const {
    const int64_t packed_k0 = group.k0 * (w_.has_nibbles() ? 8 : 16);
    const uint8_t* from = PanelStart(w_, group.panel) + packed_k0;
    const auto panel_bytes = static_cast<int64_t>(w_.PanelBytes());
    tile.b = from;
    tile.panel_bytes = panel_bytes;
    if (code_.expand == nullptr) return;
    tile.b = slice;
    tile.panel_bytes = kQuantBlockK * 16 * code_.b_bytes;
    for (int64_t p = 0; p < group.panels; ++p) {
      std::byte* to = slice + p * tile.panel_bytes;
      code_.expand(from + p * panel_bytes, tile.k, to);
      if (!w_.outlier_begin.empty() && code_.outliers == nullptr) {
        PatchOutliers(w_, group.panel + p, group.k0, tile.k, reinterpret_cast<uint8_t*>(to));
      }
    }
  }

  // All row tiles of a block times the panels of one tile, over one k block.
  void MultiplyGroup(const Group& group, std::byte* slice, int32_t* sums) {
    QGemmTile tile{};
    tile.k = std::min(kQuantBlockK, k_ - group.k0);
    tile.panels = static_cast<int>(group.panels);
    tile.acc_stride = int64_t{16} * code_.tile_panels;
    tile.first = group.k0 == 0;
    tile.group = w_.group;
    tile.scales = GroupScales(w_, group.panel, group.k0);
    tile.scale_stride = w_.NumGroups() * 16;
    PrepareSlices(group, slice, tile);
    const int64_t input_bytes = w_.has_nibbles() ? 8 : 16;
    SliceFetch next(PanelStart(w_, group.panel) + group.k0 * input_bytes,
                    static_cast<int64_t>(w_.PanelBytes()), group.panels, tile.k * input_bytes,
                    group.last_tile - group.first_tile);
    for (int64_t t = group.first_tile; t < group.last_tile; ++t) {
      next.Advance();
      tile.a = Packed(t, group.k0, tile.k);
      tile.x_sums = GroupSums(t, group.k0);
      tile.rows = static_cast<int>(std::min<int64_t>(code_.tile_rows, rows_ - t * code_.tile_rows));
      tile.acc = sums + (t - group.first_tile) * code_.tile_rows * tile.acc_stride;
      code_.tile(tile);
    }
  }

  // Behind the tiles of all k blocks: the outliers of one panel, whose sums start at `sums`.
  void AddPanelOutliers(int64_t first_tile, int64_t last_tile, int64_t panel, int32_t* sums) const {
    const int64_t first_row = first_tile * code_.tile_rows;
    QGemmOutliers call{};
    call.a = packed_;
    call.acc_stride = int64_t{16} * code_.tile_panels;
    call.k = k_;
    call.num_tiles = tiles_;
    call.first_tile = first_tile;
    call.rows = static_cast<int>(std::min(rows_, last_tile * code_.tile_rows) - first_row);
    for (int64_t j = 0; j < 16; ++j) {
      const auto output = static_cast<size_t>(panel * 16 + j);
      call.entries = w_.outliers.data() + w_.outlier_begin[output];
      call.count = w_.outlier_begin[output + 1] - w_.outlier_begin[output];
      call.acc = sums + j;
      if (call.count > 0) code_.outliers(call);
    }
  }

  void Finish(int64_t first_tile, int64_t last_tile, int64_t first_panel, int64_t last_panel,
              const int32_t* sums) {
    const int64_t width = int64_t{16} * code_.tile_panels;
    const int64_t first = first_tile * code_.tile_rows;
    const int64_t last = std::min(rows_, last_tile * code_.tile_rows);
    const int64_t sums_per_group = (last_tile - first_tile) * code_.tile_rows * width;
    for (int64_t row = first; row < last; ++row) {
      const int32_t* acc = sums + (row - first) * width;
      for (int64_t panel = first_panel; panel < last_panel; panel += code_.tile_panels) {
        QGemmEpilogueRow finish = call_.EpilogueRow(acc, first_row_ + row, panel * 16, width);
        finish.row_bias = -code_.offset * row_sum_[row];
        finish.row_scale = row_scale_[row];
        code_.epilogue(finish);
        acc += sums_per_group;
      }
    }
  }

  const QGemmCode& code_;
  const GemmIsa& floats_;
  const QGemmCall& call_;
  const QuantizedMatrix& w_;
  const int64_t k_;
  int64_t tiles_per_block_ = 0;
  // Of the pass.
  int64_t first_row_ = 0;
  int64_t rows_ = 0;
  int64_t tiles_ = 0;
  int64_t chunk_panels_ = 0;
  uint8_t* packed_ = nullptr;
  float* row_scale_ = nullptr;
  int32_t* row_sum_ = nullptr;
  int32_t* group_sums_ = nullptr;
};

// Quantized activations of a few rows, and what the epilogue needs of them.
struct FewActivations {
  int8_t* q;            // [k / 4][rows][4]
  int32_t* group_sums;  // [groups][rows]
  float scale[kMaxFewQuantRows];
  int32_t sum[kMaxFewQuantRows];
};

FewActivations QuantizeFew(const QGemmCode& code, const QGemmCall& call) {
  const QuantizedMatrix& w = *call.w;
  const int64_t k = w.PaddedK(), rows = call.x.rows;
  const int64_t bytes = Carver::Padded(rows * k) + Carver::Padded(rows * w.NumGroups() * 4) +
                        Carver::Padded(k) + Carver::Padded(k / kSumInputs * 4);
  Carver shared(ThreadScratch(ScratchUse::kShared, bytes / 4));
  FewActivations few{};
  few.q = shared.Take<int8_t>(rows * k);
  few.group_sums = shared.Take<int32_t>(rows * w.NumGroups());
  auto* row_q = shared.Take<int8_t>(k);
  auto* sums = shared.Take<int32_t>(k / kSumInputs);
  for (int64_t r = 0; r < rows; ++r) {
    few.scale[r] = Quantize(code, w, call.x.Row(r), row_q, sums);
    few.sum[r] = SumAll(w, sums);
    if (w.group != 0) SumGroups(w, sums, few.group_sums + r, rows);
    for (int64_t i = 0; i < k; i += 4) std::memcpy(few.q + i * rows + r * 4, row_q + i, 4);
  }
  return few;
}

// The outliers of `panels` panels times a few rows.
void AddOutliers(const QuantizedMatrix& w, int64_t panel, const FewActivations& few,
                 const QGemmFewRows& call) {
  const int64_t rows = call.rows;
  for (int64_t j = 0; j < call.panels * 16; ++j) {
    const auto output = static_cast<size_t>(panel * 16 + j);
    auto* out = static_cast<int32_t*>(call.out) + j;
    int32_t sum[kMaxFewQuantRows] = {};
    for (uint32_t at = w.outlier_begin[output]; at < w.outlier_begin[output + 1]; ++at) {
      const int64_t i = w.outliers[at] >> 8;
      const int rest = static_cast<int8_t>(w.outliers[at] & 0xff);
      const int8_t* q = few.q + i / 4 * 4 * rows + i % 4;
      for (int64_t r = 0; r < rows; ++r) sum[r] += rest * q[r * 4];
    }
    for (int64_t r = 0; r < rows; ++r) out[r * call.out_stride] += sum[r];
  }
}

}  // namespace

void RunQGemmBlocked(const QGemmCode& code, const QGemmCall& call, const Compute& compute) {
  BlockedQGemm(code, *BlockedIsa(compute.isa), call).Run(*compute.pool);
}

void RunQGemmFewRows(const QGemmCode& code, const QGemmCall& call, const Compute& compute) {
  const QuantizedMatrix& w = *call.w;
  const FewActivations activations = QuantizeFew(code, call);
  const int32_t offset = w.has_nibbles() ? 8 : 128;
  const auto panel_bytes = static_cast<int64_t>(w.PanelBytes());
  const int64_t grain = FewRowGrain(panel_bytes);
  compute.pool->ParallelFor(w.NumPanels(), grain, [&](int64_t begin, int64_t end) {
    constexpr int kWidth = kPanelsAtOnce * 16;
    alignas(64) std::byte sums[kMaxFewQuantRows][kWidth * 4];
    for (int64_t panel = begin; panel < end; panel += kPanelsAtOnce) {
      QGemmFewRows few{};
      few.x = activations.q;
      few.w = PanelStart(w, panel);
      few.out = sums[0];
      few.x_sums = activations.group_sums;
      few.scales = GroupScales(w, panel, 0);
      few.k = w.PaddedK();
      few.panel_bytes = panel_bytes;
      few.out_stride = kWidth;
      few.group = w.group;
      few.rows = static_cast<int>(call.x.rows);
      few.panels = static_cast<int>(std::min<int64_t>(kPanelsAtOnce, end - panel));
      code.few_rows(few);
      if (!w.outlier_begin.empty()) AddOutliers(w, panel, activations, few);
      for (int r = 0; r < few.rows; ++r) {
        QGemmEpilogueRow finish = call.EpilogueRow(sums[r], r, panel * 16, kWidth);
        finish.row_bias = -offset * activations.sum[r];
        finish.row_scale = activations.scale[r];
        code.epilogue(finish);
      }
    }
  });
  AddLowRank(call.x, call.low_rank, call.y, compute);
}

}  // namespace ixc
