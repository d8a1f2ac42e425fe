// The last step of a matrix product on one row: bias, activation, scale, accumulate. Included by
// one file of each instruction set.
#pragma once

#include "kernels/gemm/gemm_kernels.h"
#include "kernels/simd/math.h"

namespace ixc {
namespace {

// The values of ixc::Activation; gemm.cc checks that they agree.
enum { kEpilogueNone, kEpilogueQuickGelu, kEpilogueGelu };

inline Vec FinishSixteen(const GemmEpilogueRow& call, Vec value, const float* bias,
                         const float* y) {
  if (bias != nullptr) value = Add(value, Load(bias));
  if (call.activation == kEpilogueQuickGelu) value = QuickGelu(value);
  if (call.activation == kEpilogueGelu) value = Gelu(value);
  value = Mul(value, Set1(call.scale));
  return call.accumulate ? Add(Load(y), value) : value;
}

inline void FinishRow(const GemmEpilogueRow& call) {
  int64_t j = 0;
  for (; j + 16 <= call.cols; j += 16) {
    const float* bias = call.bias == nullptr ? nullptr : call.bias + j;
    Store(call.y + j, FinishSixteen(call, Load(call.acc + j), bias, call.y + j));
  }
  const int64_t rest = call.cols - j;
  if (rest == 0) return;
  float bias[16] = {}, y[16] = {};
  for (int64_t i = 0; i < rest; ++i) {
    if (call.bias != nullptr) bias[i] = call.bias[j + i];
    if (call.accumulate) y[i] = call.y[j + i];
  }
  Store(y, FinishSixteen(call, Load(call.acc + j), bias, y));
  for (int64_t i = 0; i < rest; ++i) call.y[j + i] = y[i];
}

}  // namespace
}  // namespace ixc
