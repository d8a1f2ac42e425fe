// Float weights to integers without any calibration: each output, or each group of inputs of an
// output, gets the scale that its largest weight asks for, and weights are rounded to nearest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/qgemm/quantized_matrix.h"
#include "tensor/tensor.h"

namespace ixc {

// The nearest integer within a range of at most 2^22, half to even: the sum has no room for a
// fraction.
inline float RoundClamped(float value, float lowest, float highest) {
  return (std::clamp(value, lowest, highest) + 0x1.8p23f) - 0x1.8p23f;
}

// The first weight that is not finite; weights.size() where all are.
size_t FirstNotFinite(std::span<const float> weights);

// Eight bits, one scale an output, as the original tool set's W8A8:
//   scale = max(max |w| / 127, 2^-23),   q = clamp(round(w / scale), -127, 127), half to even
// q is as long as weights.
float ScaleEightBits(std::span<const float> weights);
void RoundToScale(std::span<const float> weights, float scale, std::span<int8_t> q);
// Both; returns the scale.
float RoundToEightBits(std::span<const float> weights, std::span<int8_t> q);

// Four bits, one scale for every `group` weights:
//   scale = F16(m / -8), m the weight of the largest magnitude,   q = clamp(round(w / scale), -8,
//   7)
// so that all 16 values are used and m itself is met. A group of zeros has scale 0.
// scales is [ceil(weights / group)] and holds F16 values.
void RoundToFourBits(std::span<const float> weights, int64_t group, std::span<int8_t> q,
                     std::span<float> scales);

// What to make of a matrix while it is loaded: scheme is w8a8d or w4 (the others need statistics of
// activations); group is for w4.
struct LoadScheme {
  QuantScheme scheme = QuantScheme::kW8A8D;
  int64_t group = 128;
};

// The rows of `parts` (see PackMatrix() of kernels/gemm) as integers. Throws on weights that are
// not finite, naming the row.
QuantizedMatrix RoundMatrix(std::span<const TensorView> parts, std::span<const int64_t> row_order,
                            const LoadScheme& scheme, const Compute& compute);

}  // namespace ixc
