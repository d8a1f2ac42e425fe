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

// The panels of one block, in float32.
inline const float* WidenPanels(const AttentionTask& task, const char* from, int64_t count,
                                float* to) {
  if (!task.half) return reinterpret_cast<const float*>(from);
  WidenStretch<HalfBits>(from, count, to);
  return to;
}

// acc (+)= a b for all rows and `panels` panels of b. The panels run outside: one stays in L1 while
// the row tiles pass by (the other way round was a fifth slower).
template <int kRowStep, int kKStep>
inline void MultiplyPanels(const GemmTile& whole, int64_t rows, int64_t panels) {
  for (int64_t panel = 0; panel < panels; panel += kAttentionTilePanels) {
    GemmTile tile = whole;
    tile.b += panel * tile.panel_stride;
    tile.acc += panel * 16;
    const bool pair = kAttentionTilePanels > 1 && panel + kAttentionTilePanels <= panels;
    for (int64_t row = 0; row < rows; row += kAttentionTileRows) {
      tile.rows =
          static_cast<int>(rows - row < kAttentionTileRows ? rows - row : kAttentionTileRows);
      if (pair) {
        MultiplyRows<kAttentionTileRows, kAttentionTilePanels, kRowStep, kKStep>(tile);
      } else {
        MultiplyRows<kAttentionTileRows, 1, kRowStep, kKStep>(tile);
      }
      tile.a += kAttentionTileRows * tile.k;
      tile.acc += kAttentionTileRows * tile.acc_stride;
    }
  }
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

inline void AttendBlock(const AttentionTask& task, const AttentionScratch& scratch, int64_t block) {
  const char* memory = task.blocks[block];
  const int64_t rows = RowsOf(task);
  GemmTile product{};
  product.a = scratch.q;
  product.b = WidenPanels(task, memory + task.keys_offset, int64_t{kAttentionKeys} * task.head_dim,
                          scratch.keys);
  product.acc = scratch.scores;
  product.k = task.head_dim;
  product.panel_stride = int64_t{16} * task.head_dim;
  product.acc_stride = kAttentionKeys;
  product.first = true;
  MultiplyPanels<1, kAttentionTileRows>(product, rows, kKeyPanels);
  SoftmaxBlock(task, scratch, block);
  product.a = scratch.scores;
  product.b = WidenPanels(task, memory + task.values_offset,
                          int64_t{kAttentionKeys} * task.padded_dim, scratch.values);
  product.acc = scratch.sums;
  product.k = kAttentionKeys;
  product.panel_stride = int64_t{16} * kAttentionKeys;
  product.acc_stride = task.padded_dim;
  product.first = false;
  MultiplyPanels<kAttentionKeys, 1>(product, rows, task.padded_dim / 16);
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
  for (int64_t block = 0; block * kAttentionKeys < keys; ++block) {
    AttendBlock(task, scratch, block);
  }
  for (int64_t row = 0; row < RowsOf(task); ++row) StoreRow(task, scratch, row);
}

}  // namespace
}  // namespace ixc
