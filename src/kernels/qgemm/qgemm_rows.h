// Quantizing a row of activations and the last step of a product, in terms of Vec and of loops that
// the compiler turns into the including file's instructions. Both give the bits of their scalar
// twins in qgemm_scalar.cc: every operation is rounded once, in the same order.
#pragma once

#include <string.h>

#include "kernels/qgemm/qgemm_kernels.h"
#include "kernels/simd/vec.h"

namespace ixc {
namespace {

// Added to a small float, it leaves the nearest integer (half to even) in the lowest bits.
constexpr float kRoundingMagic = 0x1.8p23f;

inline void StoreAsBytes(Vec rounded, int8_t* to) {
  float values[16];
  uint32_t bits[16];
  Store(values, rounded);
  memcpy(bits, values, sizeof bits);
  for (int j = 0; j < 16; ++j) to[j] = static_cast<int8_t>(bits[j] & 0xff);
}

// Sixteen inputs from i on, zeros beyond k.
inline Vec LoadInputs(const QuantizeActivations& call, int64_t i) {
  if (i + 16 <= call.k) return Load(call.x + i);
  float tail[16] = {};
  for (int64_t j = i; j < call.k; ++j) tail[j - i] = call.x[j];
  return Load(tail);
}

inline float TokenScale(const QuantizeActivations& call) {
  Vec largest = Set1(0.0f);
  for (int64_t i = 0; i < call.k; i += 16) largest = Max(Abs(LoadInputs(call, i)), largest);
  const float scale = Largest(largest) / 127.0f;
  return scale > 0x1p-126f ? scale : 0x1p-126f;
}

inline void QuantizeRow(const QuantizeActivations& call, float* scale) {
  *scale = call.per_token ? TokenScale(call) : 1.0f;
  const Vec divisor = Set1(call.per_token ? *scale : call.input_scale);
  const Vec offset = Set1(call.per_token ? 0.0f : call.input_offset);
  const Vec lowest = Set1(call.per_token ? -127.0f : -128.0f);
  const Vec highest = Set1(127.0f);
  const Vec magic = Set1(kRoundingMagic);
  int64_t i = 0;
  for (; i < call.k; i += 16) {
    const Vec value = Add(Div(LoadInputs(call, i), divisor), offset);
    StoreAsBytes(Add(Max(Min(value, highest), lowest), magic), call.q + i);
  }
  memset(call.q + call.k, 0, static_cast<size_t>(call.padded_k - call.k));
  for (i = 0; i < call.padded_k; i += kSumInputs) {
    int32_t sum = 0;
    for (int64_t j = 0; j < kSumInputs; ++j) sum += call.q[i + j];
    call.sums[i / kSumInputs] = sum;
  }
}

// Sixteen sums to float32 with their scales; the arrays of scales are padded to that.
inline void ScaleSixteen(const QGemmEpilogueRow& call, int64_t j, float* value) {
  if (call.output_scale == nullptr) {
    const float* acc = static_cast<const float*>(call.acc) + j;
    for (int i = 0; i < 16; ++i) value[i] = acc[i] * call.row_scale;
    return;
  }
  int32_t sum[16];
  const int32_t* acc = static_cast<const int32_t*>(call.acc) + j;
  for (int i = 0; i < 16; ++i) sum[i] = acc[i] + call.row_bias;
  if (call.output_bias != nullptr) {
    for (int i = 0; i < 16; ++i) sum[i] += call.output_bias[j + i];
  }
  for (int i = 0; i < 16; ++i) {
    value[i] = static_cast<float>(sum[i]) * call.output_scale[j + i] * call.row_scale;
  }
}

inline void QFinishRow(const QGemmEpilogueRow& call) {
  for (int64_t j = 0; j < call.cols; j += 16) {
    float value[16];
    ScaleSixteen(call, j, value);
    const int64_t count = call.cols - j < 16 ? call.cols - j : 16;
    if (call.bias != nullptr) {
      for (int64_t i = 0; i < count; ++i) value[i] += call.bias[j + i];
    }
    if (count < 16) {
      for (int64_t i = 0; i < count; ++i) {
        call.y[j + i] = call.accumulate ? call.y[j + i] + value[i] : value[i];
      }
      return;
    }
    const Vec sixteen = Load(value);
    Store(call.y + j, call.accumulate ? Add(Load(call.y + j), sixteen) : sixteen);
  }
}

}  // namespace
}  // namespace ixc
