// One row of a normalisation, in terms of Vec. Sums are sixteen partial sums in float32 (lane j
// takes columns j, j + 16, …), added up in the fixed tree of Sum(): their error grows with
// columns / 16, and the result does not depend on the instruction set's width.
#pragma once

#include "kernels/norm/norm_kernels.h"
#include "kernels/simd/math.h"

namespace ixc {
namespace {

// The last columns, padded with zeros.
inline Vec LoadRest(const float* p, int64_t count) {
  float padded[16] = {};
  for (int64_t i = 0; i < count; ++i) padded[i] = p[i];
  return Load(padded);
}

inline void StoreRest(float* p, int64_t count, Vec value) {
  float padded[16];
  Store(padded, value);
  for (int64_t i = 0; i < count; ++i) p[i] = padded[i];
}

inline float SquareRoot(float x) { return __builtin_sqrtf(x); }

// Sum of (x - shift)^2.
inline float SumSquares(const float* x, int64_t cols, float shift) {
  Vec sum = Set1(0.0f);
  int64_t j = 0;
  for (; j + 16 <= cols; j += 16) {
    const Vec d = Sub(Load(x + j), Set1(shift));
    sum = MulAdd(d, d, sum);
  }
  if (j < cols) {  // the padding must contribute 0, not shift^2
    float rest[16] = {};
    for (int64_t i = j; i < cols; ++i) rest[i - j] = x[i] - shift;
    sum = MulAdd(Load(rest), Load(rest), sum);
  }
  return Sum(sum);
}

inline void RmsNormRow(const NormRow& row) {
  const float mean = SumSquares(row.x, row.cols, 0.0f) / static_cast<float>(row.cols);
  const Vec inverse = Set1(1.0f / SquareRoot(mean + row.eps));
  int64_t j = 0;
  for (; j + 16 <= row.cols; j += 16) {
    Store(row.y + j, Mul(Mul(Load(row.x + j), inverse), Load(row.weight + j)));
  }
  const int64_t rest = row.cols - j;
  if (rest > 0) {
    const Vec value = Mul(LoadRest(row.x + j, rest), inverse);
    StoreRest(row.y + j, rest, Mul(value, LoadRest(row.weight + j, rest)));
  }
}

inline void LayerNormRow(const NormRow& row) {
  Vec sum = Set1(0.0f);
  int64_t j = 0;
  for (; j + 16 <= row.cols; j += 16) sum = Add(sum, Load(row.x + j));
  const int64_t rest = row.cols - j;
  if (rest > 0) sum = Add(sum, LoadRest(row.x + j, rest));
  const float count = static_cast<float>(row.cols);
  const float mean = Sum(sum) / count;
  const float variance = SumSquares(row.x, row.cols, mean) / count;
  const Vec inverse = Set1(1.0f / SquareRoot(variance + row.eps));
  const Vec shift = Set1(mean);
  for (j = 0; j + 16 <= row.cols; j += 16) {
    const Vec value = Mul(Sub(Load(row.x + j), shift), inverse);
    Store(row.y + j, MulAdd(value, Load(row.weight + j), Load(row.bias + j)));
  }
  if (rest > 0) {
    const Vec value = Mul(Sub(LoadRest(row.x + j, rest), shift), inverse);
    StoreRest(row.y + j, rest,
              MulAdd(value, LoadRest(row.weight + j, rest), LoadRest(row.bias + j, rest)));
  }
}

}  // namespace
}  // namespace ixc
