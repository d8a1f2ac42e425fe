// The portable rows: plain loops that share nothing with the vector kernels, since the tests hold
// those against these. A thread unpacks one panel and takes all rows through it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "kernels/qgemm/qgemm_table.h"

namespace ixc {

namespace {

// Weights of one panel as integers, [k][16].
void UnpackPanel(const QuantizedMatrix& w, int64_t panel, std::vector<int16_t>& to) {
  const auto* from =
      reinterpret_cast<const uint8_t*>(w.data.data()) + static_cast<size_t>(panel) * w.PanelBytes();
  for (int64_t i = 0; i < w.k; ++i) {
    for (int64_t j = 0; j < 16; ++j) {
      const int64_t line = w.has_nibbles() ? i / 8 : i / 4;
      const int byte = from[(line * 16 + j) * 4 + i % 4];
      const int nibble = (i % 8 < 4 ? byte : byte >> 4) & 15;
      to[static_cast<size_t>(i * 16 + j)] =
          static_cast<int16_t>(w.has_nibbles() ? nibble - 8 : byte - 128);
    }
  }
  if (w.outlier_begin.empty()) return;
  for (int64_t j = 0; j < 16; ++j) {
    const auto row = static_cast<size_t>(panel * 16 + j);
    for (uint32_t at = w.outlier_begin[row]; at < w.outlier_begin[row + 1]; ++at) {
      const int64_t i = w.outliers[at] >> 8;
      to[static_cast<size_t>(i * 16 + j)] += static_cast<int8_t>(w.outliers[at] & 0xff);
    }
  }
}

// sum[j] = sum over [k0, k1) of q w
void SumOver(const int8_t* q, const std::vector<int16_t>& weights, int64_t k0, int64_t k1,
             int32_t* sum) {
  std::fill_n(sum, 16, 0);
  for (int64_t i = k0; i < k1; ++i) {
    for (int64_t j = 0; j < 16; ++j) sum[j] += q[i] * weights[static_cast<size_t>(i * 16 + j)];
  }
}

float GroupScale(const QuantizedMatrix& w, int64_t panel, int64_t group, int64_t column) {
  Half half;
  const int64_t at = (panel * w.NumGroups() + group) * 16 + column;
  std::memcpy(&half, w.group_scales.data() + at * int64_t{sizeof half}, sizeof half);
  return ToFloat(half);
}

// acc of one row and panel: int32, or float32 for groups.
void MultiplyPanel(const QuantizedMatrix& w, int64_t panel, const int8_t* q,
                   const std::vector<int16_t>& weights, void* acc) {
  if (w.group == 0) return SumOver(q, weights, 0, w.k, static_cast<int32_t*>(acc));
  auto* sums = static_cast<float*>(acc);
  std::fill_n(sums, 16, 0.0f);
  for (int64_t k0 = 0; k0 < w.k; k0 += w.group) {
    int32_t sum[16];
    SumOver(q, weights, k0, std::min(w.k, k0 + w.group), sum);
    for (int64_t j = 0; j < 16; ++j) {
      const float scale = GroupScale(w, panel, k0 / w.group, j);
      sums[j] = std::fma(static_cast<float>(sum[j]), scale, sums[j]);
    }
  }
}

float LargestMagnitude(const float* x, int64_t count) {
  float largest = 0.0f;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

}  // namespace

void QuantizeActivationsScalar(const QuantizeActivations& call, float* scale) {
  float divisor = call.input_scale;
  float offset = call.input_offset;
  *scale = 1.0f;
  if (call.per_token) {
    // A row of zeros, or of numbers that 127 levels cannot tell from it, gives zeros.
    divisor = std::max(LargestMagnitude(call.x, call.k) / 127.0f, 0x1p-126f);
    offset = 0.0f;
    *scale = divisor;
  }
  const float lowest = call.per_token ? -127.0f : -128.0f;
  for (int64_t i = 0; i < call.padded_k; ++i) {
    float value = i < call.k ? call.x[i] / divisor + offset : 0.0f;
    value = value < 127.0f ? value : 127.0f;  // also of a NaN
    value = value > lowest ? value : lowest;
    call.q[i] = static_cast<int8_t>(std::nearbyint(value));
  }
  for (int64_t i = 0; i < call.padded_k; i += kSumInputs) {
    int32_t sum = 0;
    for (int64_t j = i; j < i + kSumInputs; ++j) sum += call.q[j];
    call.sums[i / kSumInputs] = sum;
  }
}

void QGemmEpilogueScalar(const QGemmEpilogueRow& call) {
  for (int64_t j = 0; j < call.cols; ++j) {
    float value;
    if (call.output_scale != nullptr) {
      int32_t sum = static_cast<const int32_t*>(call.acc)[j] + call.row_bias;
      if (call.output_bias != nullptr) sum += call.output_bias[j];
      value = static_cast<float>(sum) * call.output_scale[j];
    } else {
      value = static_cast<const float*>(call.acc)[j];
    }
    value *= call.row_scale;
    if (call.bias != nullptr) value += call.bias[j];
    call.y[j] = call.accumulate ? call.y[j] + value : value;
  }
}

void QGemmPlain(const QGemmCall& call, const Compute& compute) {
  const QuantizedMatrix& w = *call.w;
  const int64_t padded = w.PaddedK();
  std::vector<int8_t> q(static_cast<size_t>(call.x.rows * padded));
  std::vector<float> scales(static_cast<size_t>(call.x.rows));
  compute.pool->ParallelFor(call.x.rows, 8, [&](int64_t first, int64_t last) {
    std::vector<int32_t> sums(static_cast<size_t>(padded / kSumInputs));
    for (int64_t row = first; row < last; ++row) {
      QuantizeActivationsScalar(
          {call.x.Row(row), q.data() + row * padded, sums.data(), w.k, padded,
           !w.has_static_input(), w.input_scale, static_cast<float>(w.input_offset)},
          &scales[static_cast<size_t>(row)]);
    }
  });
  compute.pool->ParallelFor(w.NumPanels(), 1, [&](int64_t first, int64_t last) {
    std::vector<int16_t> weights(static_cast<size_t>(w.k) * 16);
    for (int64_t panel = first; panel < last; ++panel) {
      UnpackPanel(w, panel, weights);
      for (int64_t row = 0; row < call.x.rows; ++row) {
        int32_t integers[16];
        float floats[16];
        void* acc = w.group == 0 ? static_cast<void*>(integers) : floats;
        MultiplyPanel(w, panel, q.data() + row * padded, weights, acc);
        QGemmEpilogueRow finish = call.EpilogueRow(acc, row, panel * 16, 16);
        finish.row_scale = scales[static_cast<size_t>(row)];
        QGemmEpilogueScalar(finish);
      }
    }
  });
  AddLowRank(call.x, call.low_rank, call.y, compute);
}

}  // namespace ixc
