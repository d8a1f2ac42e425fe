#include "quant/round_to_nearest.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/half.h"
#include "kernels/gemm/packed_matrix.h"

namespace ixc {

namespace {

// The largest |w|, or what is not finite; 0 of none. As integers magnitudes have the same order,
// and a loop that finds the largest becomes vector instructions, which the compiler does not dare
// with floats.
float LargestMagnitude(std::span<const float> weights) {
  int32_t largest = 0;
  for (float weight : weights) {
    largest = std::max(largest, std::bit_cast<int32_t>(weight) & 0x7fffffff);
  }
  return std::bit_cast<float>(largest);
}

// The element of largest magnitude, of several the first; 0 of none.
float Extreme(std::span<const float> weights) {
  const float largest = LargestMagnitude(weights);
  for (float weight : weights) {
    if (std::fabs(weight) == largest) return weight;
  }
  return 0.0f;
}

void CheckFinite(std::span<const float> weights, int64_t row) {
  const size_t i = FirstNotFinite(weights);
  if (i == weights.size()) return;
  Fail("weight [{}, {}] is {}: only finite weights can be quantized; see 'ixc inspect --verify'",
       row, i, weights[i]);
}

}  // namespace

size_t FirstNotFinite(std::span<const float> weights) {
  if (std::isfinite(LargestMagnitude(weights))) return weights.size();
  const auto found =
      std::find_if(weights.begin(), weights.end(), [](float w) { return !std::isfinite(w); });
  return static_cast<size_t>(found - weights.begin());
}

float ScaleEightBits(std::span<const float> weights) {
  return std::max(LargestMagnitude(weights) / 127.0f, 0x1p-23f);
}

void RoundToScale(std::span<const float> weights, float scale, std::span<int8_t> q) {
  for (size_t i = 0; i < weights.size(); ++i) {
    q[i] = static_cast<int8_t>(RoundClamped(weights[i] / scale, -127.0f, 127.0f));
  }
}

float RoundToEightBits(std::span<const float> weights, std::span<int8_t> q) {
  const float scale = ScaleEightBits(weights);
  RoundToScale(weights, scale, q);
  return scale;
}

void RoundToFourBits(std::span<const float> weights, int64_t group, std::span<int8_t> q,
                     std::span<float> scales) {
  const auto size = static_cast<size_t>(group);
  for (size_t begin = 0, g = 0; begin < weights.size(); begin += size, ++g) {
    const auto part = weights.subspan(begin, std::min(size, weights.size() - begin));
    const float scale = ToFloat(ToHalf(Extreme(part) / -8.0f));
    scales[g] = scale;
    const auto rounded = q.subspan(begin, part.size());
    if (scale == 0.0f) {
      std::fill(rounded.begin(), rounded.end(), int8_t{0});
      continue;
    }
    for (size_t i = 0; i < part.size(); ++i) {
      rounded[i] = static_cast<int8_t>(RoundClamped(part[i] / scale, -8.0f, 7.0f));
    }
  }
}

QuantizedMatrix RoundMatrix(std::span<const TensorView> parts, std::span<const int64_t> row_order,
                            const LoadScheme& scheme, const Compute& compute) {
  const StackedRows stacked = StackTensors(parts, row_order);
  const bool four_bits = scheme.scheme == QuantScheme::kW4;
  if (!four_bits && scheme.scheme != QuantScheme::kW8A8D) {
    Fail("{} needs statistics of activations; only w8a8d and w4 can be made while loading",
         Name(scheme.scheme));
  }
  const auto n = static_cast<int64_t>(stacked.rows.size());
  std::vector<float> output_scale(static_cast<size_t>(n));
  const auto fill = [&](int64_t row, const QuantizedRow& to) {
    const auto at = static_cast<size_t>(row);
    const std::vector<float> weights =
        ReadAsFloat({stacked.dtype, {stacked.k}, stacked.rows[at]}, "weight matrix");
    CheckFinite(weights, row);
    if (four_bits) {
      RoundToFourBits(weights, scheme.group, to.weights, to.group_scales);
    } else {
      output_scale[at] = RoundToEightBits(weights, to.weights);
    }
  };
  QuantizedMatrix w =
      PackQuantized({scheme.scheme, n, stacked.k, four_bits ? scheme.group : 0}, fill, compute);
  if (!four_bits) std::copy(output_scale.begin(), output_scale.end(), w.output_scale.begin());
  return w;
}

}  // namespace ixc
