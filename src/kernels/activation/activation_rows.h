// The element-wise steps on a stretch of one row, in terms of Vec.
#pragma once

#include "kernels/activation/activation_kernels.h"
#include "kernels/simd/math.h"

namespace ixc {
namespace {

inline void SiluMulRow(const float* gate, const float* up, float* out, int64_t count) {
  int64_t j = 0;
  for (; j + 16 <= count; j += 16) Store(out + j, Mul(Silu(Load(gate + j)), Load(up + j)));
  float padded_gate[16] = {}, padded_up[16] = {};
  const int64_t rest = count - j;
  for (int64_t i = 0; i < rest; ++i) {
    padded_gate[i] = gate[j + i];
    padded_up[i] = up[j + i];
  }
  Store(padded_gate, Mul(Silu(Load(padded_gate)), Load(padded_up)));
  for (int64_t i = 0; i < rest; ++i) out[j + i] = padded_gate[i];
}

inline void AddRow(const float* x, float* y, int64_t count) {
  int64_t j = 0;
  for (; j + 16 <= count; j += 16) Store(y + j, Add(Load(y + j), Load(x + j)));
  for (; j < count; ++j) y[j] += x[j];
}

}  // namespace
}  // namespace ixc
