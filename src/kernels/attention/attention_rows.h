// Attention of one task in terms of Vec and the register tile of the matrix product.
//
// Every pair (query position, query head) of the task is one row. For each block of 64 keys:
//
//   S = Q K^T                        [rows, 64], four panels of keys
//   m' = max(m, largest of scale S)  new running maximum of the row
//   P = exp(scale S - m'), 0 where the row may not look
//   O = O exp(m - m') + P V,  l = l exp(m - m') + sum of P
//
// and at the end out = O / l. A block always enters the products whole, with P = 0 behind a row's
// last key, so that a row's result does not depend on the rows beside it. (Keys that nobody stored
// are zeros, so those products are 0, not NaN.)
#pragma once

#include "kernels/attention/attention_kernels.h"
#include "kernels/gemm/gemm_rows.h"
#include "kernels/simd/math.h"

namespace ixc {
namespace {

constexpr int kKeyPanels = kAttentionKeys / 16;

// Rows of queries, cut into register tiles of kAttentionTileRows rows (the last may be shorter).
// The including file defines kAttentionTileRows and kAttentionTilePanels.
struct AttentionScratch {
  float* q;        // [row tile][head_dim][tile rows]
  float* scores;   // [row][64]: first S, then P
  float* sums;     // [row][padded_dim]: O
  float* keys;     // [panel][head_dim][16], widened; unused if F32
  float* values;   // [panel][64][16], widened; unused if F32
  float* largest;  // [row]: m
  float* weight;   // [row]: l
  float* factor;   // [row], up to a multiple of 16 rows: exp(m - m')
};

inline int64_t RowsOf(const AttentionTask& task) { return int64_t{task.positions} * task.heads; }

// Whole register tiles, and a multiple of 16.
inline int64_t PaddedRows(const AttentionTask& task) {
  return (RowsOf(task) + kAttentionTileRows + 14) / 16 * 16;
}

inline int64_t ScratchFloats(const AttentionTask& task) {
  const int64_t rows = PaddedRows(task);
  return rows * (task.head_dim + kAttentionKeys + task.padded_dim + 3) +
         int64_t{kAttentionKeys} * (task.head_dim + task.padded_dim);
}

inline AttentionScratch CutScratch(const AttentionTask& task) {
  const int64_t rows = PaddedRows(task);
  AttentionScratch cut;
  cut.q = task.scratch;
  cut.scores = cut.q + rows * task.head_dim;
  cut.sums = cut.scores + rows * kAttentionKeys;
  cut.keys = cut.sums + rows * task.padded_dim;
  cut.values = cut.keys + int64_t{kAttentionKeys} * task.head_dim;
  cut.largest = cut.values + int64_t{kAttentionKeys} * task.padded_dim;
  cut.weight = cut.largest + rows;
  cut.factor = cut.weight + rows;
  return cut;
}

inline void PackQueries(const AttentionTask& task, float* to) {
  for (int64_t row = 0; row < RowsOf(task); ++row) {
    const float* from =
        task.q + row / task.heads * task.q_stride + row % task.heads * task.head_dim;
    float* column = to + row / kAttentionTileRows * kAttentionTileRows * task.head_dim +
                    row % kAttentionTileRows;
    for (int64_t d = 0; d < task.head_dim; ++d) column[d * kAttentionTileRows] = from[d];
  }
}

// Memory that is read soon: it comes in while the products run. Only a few rows against F16 panels,
// a decode step, gain from it.
struct Stretch {
  const char* from;
  int64_t bytes;
};

// acc (+)= a b for all rows and `panels` panels of b. The panels run outside: one stays in L1 while
// the row tiles pass by (the other way round was a fifth slower).
template <typename T, int kRowStep, int kKStep>
inline void MultiplyPanels(const GemmTile& whole, int64_t rows, int64_t panels, Stretch next) {
  const char* fetched = next.from;
  for (int64_t panel = 0; panel < panels; panel += kAttentionTilePanels) {
    const char* stop = next.from + next.bytes * (panel + kAttentionTilePanels) / panels;
    for (; fetched < stop; fetched += 64) __builtin_prefetch(fetched, 0, 2);
    GemmTile tile = whole;
    tile.b = static_cast<const T*>(whole.b) + panel * whole.panel_stride;
    tile.acc += panel * 16;
    const bool pair = kAttentionTilePanels > 1 && panel + kAttentionTilePanels <= panels;
    for (int64_t row = 0; row < rows; row += kAttentionTileRows) {
      tile.rows =
          static_cast<int>(rows - row < kAttentionTileRows ? rows - row : kAttentionTileRows);
      if (pair) {
        MultiplyRows<T, kAttentionTileRows, kAttentionTilePanels, kRowStep, kKStep>(tile);
      } else {
        MultiplyRows<T, kAttentionTileRows, 1, kRowStep, kKStep>(tile);
      }
      tile.a += kAttentionTileRows * tile.k;
      tile.acc += kAttentionTileRows * tile.acc_stride;
    }
  }
}

// One of the two products of a block, `panels` panels of keys or values at `from`. Many rows share
// the widening of F16 panels. One tile of rows widens them on the way into the multiply-adds
// instead and fetches `next`: 1.7 times as fast for one token after 8,191 others.
template <int kRowStep, int kKStep>
inline void MultiplyBlock(const AttentionTask& task, GemmTile product, const char* from,
                          int64_t panels, float* widened, Stretch next) {
  const int64_t rows = RowsOf(task);
  product.b = from;
  if (task.half && rows <= kAttentionTileRows) {
    return MultiplyPanels<HalfBits, kRowStep, kKStep>(product, rows, panels, next);
  }
  if (task.half) {
    WidenStretch<HalfBits>(from, panels * product.panel_stride, widened);
    product.b = widened;
  }
  MultiplyPanels<float, kRowStep, kKStep>(product, rows, panels, {nullptr, 0});
}

// Keys of block `block` that the query at `position` of the task sees.
inline int64_t VisibleKeys(const AttentionTask& task, int64_t block, int64_t position) {
  const int64_t all = task.causal ? task.first_position + position + 1 : task.num_keys;
  const int64_t left = all - block * kAttentionKeys;
  return left < kAttentionKeys ? left : kAttentionKeys;
}

// Scales a row of scores, hides the keys from `visible` on, and returns the largest of the row and
// of `largest`.
inline float ScaleScores(float* scores, int64_t visible, float scale, float largest) {
  Vec top = Set1(largest);
  for (int64_t j = visible; j < kAttentionKeys; ++j) scores[j] = -__builtin_inff();
#pragma GCC unroll 4
  for (int p = 0; p < kKeyPanels; ++p) {
    const Vec scaled = Mul(Load(scores + 16 * p), Set1(scale));
    top = Max(top, scaled);
    Store(scores + 16 * p, scaled);
  }
  return Largest(top);
}

// scores = exp(scores - largest); returns their sum.
inline float WeighScores(float* scores, float largest) {
  const Vec shift = Set1(largest);
  Vec total = Set1(0.0f);
#pragma GCC unroll 4
  for (int p = 0; p < kKeyPanels; ++p) {
    const Vec weight = ExpNotPositive(Sub(Load(scores + 16 * p), shift));
    total = Add(total, weight);
    Store(scores + 16 * p, weight);
  }
  return Sum(total);
}

// Turns the scores of all rows into weights and scales what was summed before. In three sweeps, so
// that the rows' short reductions overlap and sixteen factors share one exponential.
inline void SoftmaxBlock(const AttentionTask& task, const AttentionScratch& scratch,
                         int64_t block) {
  const int64_t rows = RowsOf(task);
  for (int64_t row = 0; row < rows; ++row) {
    const float before = scratch.largest[row];
    const float after = ScaleScores(scratch.scores + row * kAttentionKeys,
                                    VisibleKeys(task, block, row / task.heads), task.scale, before);
    scratch.largest[row] = after;
    scratch.factor[row] = before - after;
  }
  for (int64_t row = 0; row < rows; row += 16) {
    Store(scratch.factor + row, ExpNotPositive(Load(scratch.factor + row)));
  }
  for (int64_t row = 0; row < rows; ++row) {
    const float factor = scratch.factor[row];
    const float sum = WeighScores(scratch.scores + row * kAttentionKeys, scratch.largest[row]);
    scratch.weight[row] = scratch.weight[row] * factor + sum;
    if (factor == 1.0f) continue;
    float* sums = scratch.sums + row * task.padded_dim;
    for (int64_t d = 0; d < task.padded_dim; d += 16) {
      Store(sums + d, Mul(Load(sums + d), Set1(factor)));
    }
  }
}

inline void AttendBlock(const AttentionTask& task, const AttentionScratch& scratch, int64_t block,
                        int64_t last_block) {
  const char* keys = task.blocks[block] + task.keys_offset;
  const char* values = task.blocks[block] + task.values_offset;
  const char* next_keys = task.blocks[block < last_block ? block + 1 : block] + task.keys_offset;
  const int64_t element = task.half ? 2 : 4;
  GemmTile scores{};
  scores.a = scratch.q;
  scores.acc = scratch.scores;
  scores.k = task.head_dim;
  scores.panel_stride = int64_t{16} * task.head_dim;
  scores.acc_stride = kAttentionKeys;
  scores.first = true;
  MultiplyBlock<1, kAttentionTileRows>(task, scores, keys, kKeyPanels, scratch.keys,
                                       {values, element * kAttentionKeys * task.padded_dim});
  SoftmaxBlock(task, scratch, block);
  GemmTile sums{};
  sums.a = scratch.scores;
  sums.acc = scratch.sums;
  sums.k = kAttentionKeys;
  sums.panel_stride = int64_t{16} * kAttentionKeys;
  sums.acc_stride = task.padded_dim;
  MultiplyBlock<kAttentionKeys, 1>(task, sums, values, task.padded_dim / 16, scratch.values,
                                   {next_keys, element * kAttentionKeys * task.head_dim});
}

inline void StoreRow(const AttentionTask& task, const AttentionScratch& scratch, int64_t row) {
  float* out = task.out + row / task.heads * task.out_stride + row % task.heads * task.head_dim;
  const float* sums = scratch.sums + row * task.padded_dim;
  const float inverse = 1.0f / scratch.weight[row];
  for (int64_t d = 0; d < task.head_dim; ++d) out[d] = sums[d] * inverse;
}

inline void AttendTask(const AttentionTask& task) {
  const AttentionScratch scratch = CutScratch(task);
  PackQueries(task, scratch.q);
  for (int64_t i = 0; i < RowsOf(task) * task.padded_dim; ++i) scratch.sums[i] = 0.0f;
  for (int64_t row = 0; row < RowsOf(task); ++row) {
    scratch.largest[row] = -__builtin_inff();
    scratch.weight[row] = 0.0f;
  }
  const int64_t keys = task.causal ? task.first_position + task.positions : task.num_keys;
  const int64_t last_block = (keys - 1) / kAttentionKeys;
  for (int64_t block = 0; block <= last_block; ++block) {
    AttendBlock(task, scratch, block, last_block);
  }
  for (int64_t row = 0; row < RowsOf(task); ++row) StoreRow(task, scratch, row);
}

}  // namespace
}  // namespace ixc
