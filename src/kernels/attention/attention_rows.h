// Attention of one task in terms of Vec and the register tile of the matrix product.
//
// Every pair (query position, query head) of the task is one row. For each block of 64 keys:
//
//   S = Q K^T                        [rows, 64], four panels of keys
//   m' = max(m, largest of scale S)  new running maximum of the row
//   P = exp(scale S - m'), 0 where the row may not look
//   O = O exp(m - m') + P V,  l = l exp(m - m') + sum of P
//
// The blocks of a span (kAttentionSpan) start from m = -inf, O = 0, l = 0; then, span after span,
// with the sums M, L, T of the spans before:
//
//   M' = max(M, m),   T = T exp(M - M') + O exp(m - M'),   L = L exp(M - M') + l exp(m - M')
//
// and at the end out = T / L. A block always enters the products whole, with P = 0 behind a row's
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
  float* q;       // [row tile][head_dim][tile rows]
  float* scores;  // [row][64]: first S, then P
  float* keys;    // [panel][head_dim][16], widened; unused if F32
  float* values;  // [panel][64][16], widened; unused if F32
  float* factor;  // [row], up to a multiple of 16 rows: exp(m - m')
  AttentionSums span;
  AttentionSums total;
};

inline int64_t RowsOf(const AttentionTask& task) { return int64_t{task.positions} * task.heads; }

// Whole register tiles, and a multiple of 16.
inline int64_t PaddedRows(const AttentionTask& task) {
  return (RowsOf(task) + kAttentionTileRows + 14) / 16 * 16;
}

inline int64_t ScratchFloats(const AttentionTask& task) {
  const int64_t rows = PaddedRows(task);
  return rows * (task.head_dim + kAttentionKeys + 2 * task.padded_dim + 5) +
         int64_t{kAttentionKeys} * (task.head_dim + task.padded_dim);
}

inline AttentionScratch CutScratch(const AttentionTask& task) {
  const int64_t rows = PaddedRows(task);
  AttentionScratch cut;
  cut.q = task.scratch;
  cut.scores = cut.q + rows * task.head_dim;
  cut.span.sums = cut.scores + rows * kAttentionKeys;
  cut.total.sums = cut.span.sums + rows * task.padded_dim;
  cut.keys = cut.total.sums + rows * task.padded_dim;
  cut.values = cut.keys + int64_t{kAttentionKeys} * task.head_dim;
  cut.span.largest = cut.values + int64_t{kAttentionKeys} * task.padded_dim;
  cut.span.weight = cut.span.largest + rows;
  cut.total.largest = cut.span.weight + rows;
  cut.total.weight = cut.total.largest + rows;
  cut.factor = cut.total.weight + rows;
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

// acc (+)= a b for all rows and `panels` panels of b. The panels run outside: one stays in L1 while
// the row tiles pass by (the other way round was a fifth slower).
template <typename T, int kRowStep, int kKStep, bool kFetch>
inline void MultiplyPanels(const GemmTile& whole, int64_t rows, int64_t panels) {
  for (int64_t panel = 0; panel < panels; panel += kAttentionTilePanels) {
    GemmTile tile = whole;
    tile.b = static_cast<const T*>(whole.b) + panel * whole.panel_stride;
    if (kFetch) tile.next += panel * 16 * whole.k * int64_t{sizeof(T)};
    tile.acc += panel * 16;
    const bool pair = kAttentionTilePanels > 1 && panel + kAttentionTilePanels <= panels;
    for (int64_t row = 0; row < rows; row += kAttentionTileRows) {
      tile.rows =
          static_cast<int>(rows - row < kAttentionTileRows ? rows - row : kAttentionTileRows);
      if (pair) {
        MultiplyRows<T, kAttentionTileRows, kAttentionTilePanels, kRowStep, kKStep, kFetch>(tile);
      } else {
        MultiplyRows<T, kAttentionTileRows, 1, kRowStep, kKStep, kFetch>(tile);
      }
      tile.a += kAttentionTileRows * tile.k;
      tile.acc += kAttentionTileRows * tile.acc_stride;
    }
  }
}

// One of the two products of a block, `panels` panels of keys or values at `from`. Many rows share
// the widening of narrow panels. One tile of rows widens them on the way into the multiply-adds
// instead and fetches what comes next: 1.7 times as fast for one token after 8,191 others.
template <typename T, int kRowStep, int kKStep>
inline void MultiplyNarrow(const GemmTile& whole, int64_t rows, int64_t panels, float* widened) {
  if (rows <= kAttentionTileRows) {
    return MultiplyPanels<T, kRowStep, kKStep, true>(whole, rows, panels);
  }
  GemmTile product = whole;
  WidenStretch<T>(whole.b, panels * product.panel_stride, widened);
  product.b = widened;
  MultiplyPanels<float, kRowStep, kKStep, false>(product, rows, panels);
}

template <int kRowStep, int kKStep>
inline void MultiplyBlock(const AttentionTask& task, const GemmTile& product, int64_t panels,
                          float* widened) {
  const int64_t rows = RowsOf(task);
  if (task.type == kKvF16) {
    return MultiplyNarrow<HalfBits, kRowStep, kKStep>(product, rows, panels, widened);
  }
  if (task.type == kKvI8) {
    return MultiplyNarrow<int8_t, kRowStep, kKStep>(product, rows, panels, widened);
  }
  MultiplyPanels<float, kRowStep, kKStep, false>(product, rows, panels);
}

// The scales of a block's keys; those of its values follow. Null if there are none.
inline const float* ScalesOf(const AttentionTask& task, int64_t block) {
  if (task.type != kKvI8) return nullptr;
  return reinterpret_cast<const float*>(task.blocks[block] + task.scales_offset);
}

// Keys of block `block` that the query at `position` of the task sees.
inline int64_t VisibleKeys(const AttentionTask& task, int64_t block, int64_t position) {
  const int64_t all = task.causal ? task.first_position + position + 1 : task.num_keys;
  const int64_t left = all - block * kAttentionKeys;
  return left < kAttentionKeys ? left : kAttentionKeys;
}

// Scales a row of scores (also by the scales of the keys, if there are any), hides the keys from
// `visible` on, and returns the largest of the row and of `largest`.
inline float ScaleScores(float* scores, const float* key_scales, int64_t visible, float scale,
                         float largest) {
  Vec top = Set1(largest);
  if (key_scales != nullptr) {
    for (int j = 0; j < kAttentionKeys; j += 16) {
      Store(scores + j, Mul(Load(scores + j), Load(key_scales + j)));
    }
  }
  for (int64_t j = visible; j < kAttentionKeys; ++j) scores[j] = -__builtin_inff();
#pragma GCC unroll 4
  for (int p = 0; p < kKeyPanels; ++p) {
    const Vec scaled = Mul(Load(scores + 16 * p), Set1(scale));
    top = Max(top, scaled);
    Store(scores + 16 * p, scaled);
  }
  return Largest(top);
}

// scores = exp(scores - largest), times the scales of the values if there are any; returns the sum
// without those.
inline float WeighScores(float* scores, const float* value_scales, float largest) {
  const Vec shift = Set1(largest);
  Vec total = Set1(0.0f);
#pragma GCC unroll 4
  for (int p = 0; p < kKeyPanels; ++p) {
    const Vec weight = ExpNotPositive(Sub(Load(scores + 16 * p), shift));
    total = Add(total, weight);
    Store(scores + 16 * p,
          value_scales == nullptr ? weight : Mul(weight, Load(value_scales + 16 * p)));
  }
  return Sum(total);
}

// Turns the scores of all rows into weights and scales what was summed before. In three sweeps, so
// that the rows' short reductions overlap and sixteen factors share one exponential.
inline void SoftmaxBlock(const AttentionTask& task, const AttentionScratch& scratch,
                         int64_t block) {
  const int64_t rows = RowsOf(task);
  const float* key_scales = ScalesOf(task, block);
  const float* value_scales = key_scales == nullptr ? nullptr : key_scales + kAttentionKeys;
  for (int64_t row = 0; row < rows; ++row) {
    const float before = scratch.span.largest[row];
    const float after = ScaleScores(scratch.scores + row * kAttentionKeys, key_scales,
                                    VisibleKeys(task, block, row / task.heads), task.scale, before);
    scratch.span.largest[row] = after;
    scratch.factor[row] = before - after;
  }
  for (int64_t row = 0; row < rows; row += 16) {
    Store(scratch.factor + row, ExpNotPositive(Load(scratch.factor + row)));
  }
  for (int64_t row = 0; row < rows; ++row) {
    const float factor = scratch.factor[row];
    const float sum =
        WeighScores(scratch.scores + row * kAttentionKeys, value_scales, scratch.span.largest[row]);
    scratch.span.weight[row] = scratch.span.weight[row] * factor + sum;
    if (factor == 1.0f) continue;
    float* sums = scratch.span.sums + row * task.padded_dim;
    for (int64_t d = 0; d < task.padded_dim; d += 16) {
      Store(sums + d, Mul(Load(sums + d), Set1(factor)));
    }
  }
}

inline void AttendBlock(const AttentionTask& task, const AttentionScratch& scratch, int64_t block,
                        int64_t last_block) {
  const char* keys = task.blocks[block] + task.keys_offset;
  const char* values = task.blocks[block] + task.values_offset;
  GemmTile scores{};
  scores.a = scratch.q;
  scores.b = keys;
  scores.acc = scratch.scores;
  scores.k = task.head_dim;
  scores.panel_stride = int64_t{16} * task.head_dim;
  scores.acc_stride = kAttentionKeys;
  scores.first = true;
  scores.next = values;
  MultiplyBlock<1, kAttentionTileRows>(task, scores, kKeyPanels, scratch.keys);
  SoftmaxBlock(task, scratch, block);
  GemmTile sums{};
  sums.a = scratch.scores;
  sums.b = values;
  sums.acc = scratch.span.sums;
  sums.k = kAttentionKeys;
  sums.panel_stride = int64_t{16} * kAttentionKeys;
  sums.acc_stride = task.padded_dim;
  sums.next = task.blocks[block < last_block ? block + 1 : block] + task.keys_offset;
  MultiplyBlock<kAttentionKeys, 1>(task, sums, task.padded_dim / 16, scratch.values);
}

inline int64_t LastBlock(const AttentionTask& task) {
  const int64_t keys = task.causal ? task.first_position + task.positions : task.num_keys;
  return (keys - 1) / kAttentionKeys;
}

inline void Clear(const AttentionTask& task, const AttentionSums& sums) {
  for (int64_t i = 0; i < RowsOf(task) * task.padded_dim; ++i) sums.sums[i] = 0.0f;
  for (int64_t row = 0; row < RowsOf(task); ++row) {
    sums.largest[row] = -__builtin_inff();
    sums.weight[row] = 0.0f;
  }
}

// Leaves the sums of span `span` in scratch.span. The queries are packed.
inline void AttendSpan(const AttentionTask& task, const AttentionScratch& scratch, int64_t span) {
  const int64_t first = span * kAttentionSpan;
  const int64_t last = LastBlock(task);
  Clear(task, scratch.span);
  for (int64_t block = first; block <= last && block < first + kAttentionSpan; ++block) {
    AttendBlock(task, scratch, block, last);
  }
}

inline void Fold(const AttentionTask& task, const AttentionSums& span, const AttentionSums& total) {
  for (int64_t row = 0; row < RowsOf(task); ++row) {
    const float before = total.largest[row];
    const float after = before < span.largest[row] ? span.largest[row] : before;
    const Vec old_factor = ExpNotPositive(Set1(before - after));
    const Vec new_factor = ExpNotPositive(Set1(span.largest[row] - after));
    float factors[2][16];
    Store(factors[0], old_factor);
    Store(factors[1], new_factor);
    total.largest[row] = after;
    total.weight[row] = total.weight[row] * factors[0][0] + span.weight[row] * factors[1][0];
    const float* from = span.sums + row * task.padded_dim;
    float* to = total.sums + row * task.padded_dim;
    for (int64_t d = 0; d < task.padded_dim; d += 16) {
      Store(to + d, MulAdd(Load(from + d), new_factor, Mul(Load(to + d), old_factor)));
    }
  }
}

inline void StoreRows(const AttentionTask& task, const AttentionSums& total) {
  for (int64_t row = 0; row < RowsOf(task); ++row) {
    float* out = task.out + row / task.heads * task.out_stride + row % task.heads * task.head_dim;
    const float* sums = total.sums + row * task.padded_dim;
    const float inverse = 1.0f / total.weight[row];
    for (int64_t d = 0; d < task.head_dim; ++d) out[d] = sums[d] * inverse;
  }
}

inline void AttendTask(const AttentionTask& task) {
  const AttentionScratch scratch = CutScratch(task);
  PackQueries(task, scratch.q);
  Clear(task, scratch.total);
  const int64_t last_span = LastBlock(task) / kAttentionSpan;
  for (int64_t span = 0; span <= last_span; ++span) {
    AttendSpan(task, scratch, span);
    Fold(task, scratch.span, scratch.total);
  }
  StoreRows(task, scratch.total);
}

inline void AttendOneSpan(const AttentionTask& task, int64_t span, const AttentionSums& to) {
  AttentionScratch scratch = CutScratch(task);
  scratch.span = to;
  PackQueries(task, scratch.q);
  AttendSpan(task, scratch, span);
}

inline void FinishSpans(const AttentionTask& task, const AttentionSums* spans, int64_t count) {
  const AttentionSums total = CutScratch(task).total;
  Clear(task, total);
  for (int64_t span = 0; span < count; ++span) Fold(task, spans[span], total);
  StoreRows(task, total);
}

}  // namespace
}  // namespace ixc
