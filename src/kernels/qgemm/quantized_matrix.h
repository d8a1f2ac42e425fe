// Integer weights in the order in which the kernels read them.
//
// W is [n, k] (n outputs, k inputs). As in packed float weights, panels of 16 outputs; within a
// panel, inputs run slowest, four at a time, so that one 64-byte line holds four inputs of all 16
// outputs: an operand of VNNI, a row of an AMX tile, two registers of AVX2. k is padded to a
// multiple of 64; what the padding holds does not matter, because padded inputs are zero.
//
//   bytes    data[panel][k / 4][16][4]: w + 128 as an unsigned byte
//   nibbles  data[panel][k / 8][16][4]: w + 8 in four bits, inputs 8 i … 8 i + 3 in the low half of
//            the bytes of line i, inputs 8 i + 4 … 8 i + 7 in the high half
//
// Weights are stored unsigned because the instructions multiply unsigned by signed bytes; the
// activations are the signed side, and -128 sum(x) or -8 sum(x) puts the sum right, exactly.
//
// clang-format off
//   scheme  weights                         activations         y[n] =
//   w8a8    bytes                           static, per tensor  (sum w q + output_bias[n]) * output_scale[n]
//   w8a8s   nibbles and a list of outliers  static, per tensor  the same
//   w8a8d   bytes                           scale a token       sum w q * output_scale[n] * s
//   w4      nibbles, F16 scale a group      scale a token       sum over groups (sum w q * g[n, group]) * s
// clang-format on
//
// Static: q = clamp(round(x / input_scale + input_offset), -128, 127), half to even. Scale a token:
// s = max |x| / 127 over the row, q = clamp(round(x / s), -127, 127).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cpu/weight_bytes.h"
#include "kernels/compute.h"

namespace ixc {

enum class QuantScheme : uint8_t { kW8A8, kW8A8S, kW8A8D, kW4 };

inline constexpr QuantScheme kQuantSchemes[] = {QuantScheme::kW8A8, QuantScheme::kW8A8S,
                                                QuantScheme::kW8A8D, QuantScheme::kW4};

// Whether activations are quantized with one scale and offset that calibration found.
constexpr bool IsStatic(QuantScheme scheme) {
  return scheme == QuantScheme::kW8A8 || scheme == QuantScheme::kW8A8S;
}

// "w8a8", "w8a8s", "w8a8d", "w4"
const char* Name(QuantScheme scheme);

struct QuantizedMatrix {
  QuantScheme scheme = QuantScheme::kW8A8D;
  int64_t n = 0;      // outputs
  int64_t k = 0;      // inputs
  int64_t group = 0;  // w4: inputs that share a scale, 32, 64 or 128; else 0
  WeightBytes data;

  // All but w4, [NumPanels() * 16]: deq_scale (w8a8, w8a8s) or the scale of the weights (w8a8d).
  std::vector<float> output_scale;
  // w8a8 and w8a8s, [NumPanels() * 16]: quant_bias.
  std::vector<int32_t> output_bias;
  // w4: F16, [panel][group][16].
  WeightBytes group_scales;

  // w8a8 and w8a8s: how activations are quantized.
  float input_scale = 1.0f;
  int32_t input_offset = 0;

  // w8a8s: what nibbles cannot hold. Output r has entries outlier_begin[r] … outlier_begin[r + 1],
  // in ascending k: k << 8 | the byte that is added to the nibble's value. [NumPanels() * 16 + 1]
  std::vector<uint32_t> outlier_begin;
  std::vector<uint32_t> outliers;

  bool has_nibbles() const { return scheme == QuantScheme::kW8A8S || scheme == QuantScheme::kW4; }
  bool has_static_input() const { return IsStatic(scheme); }
  int64_t NumPanels() const { return (n + 15) / 16; }
  int64_t PaddedK() const { return (k + 63) / 64 * 64; }
  int64_t NumGroups() const { return group == 0 ? 0 : (PaddedK() + group - 1) / group; }
  size_t PanelBytes() const { return static_cast<size_t>(PaddedK()) * (has_nibbles() ? 8 : 16); }
  // Everything that a product reads.
  size_t NumBytes() const {
    return data.size() + group_scales.size() + output_scale.size() * sizeof(float) +
           output_bias.size() * sizeof(int32_t) +
           (outlier_begin.size() + outliers.size()) * sizeof(uint32_t);
  }
};

// Where the integers of a matrix come from: fills `to`, [k], with output `row`; called by several
// threads at a time. Values -127 … 127; of w4 -8 … 7. Of w4 it also fills `scales`, [NumGroups()].
struct QuantizedRow {
  std::span<int8_t> weights;
  std::span<float> group_scales;
};
using FillQuantizedRow = std::function<void(int64_t row, const QuantizedRow& to)>;

// The matrix but for output_scale, output_bias and the input's parameters, which are the caller's
// to set: output_scale and output_bias are there with the right size, zeros. Throws on impossible
// groups. k below 2^24.
struct QuantizedShape {
  QuantScheme scheme = QuantScheme::kW8A8D;
  int64_t n = 0;
  int64_t k = 0;
  int64_t group = 0;  // w4 only
};
QuantizedMatrix PackQuantized(const QuantizedShape& shape, const FillQuantizedRow& fill,
                              const Compute& compute);

// Weight [output, input] as an integer, outliers included. For tests and tools.
int UnpackWeight(const QuantizedMatrix& w, int64_t output, int64_t input);

// Seeded made-up weights with everything set, quick to make at any size: for tests and for
// measurements, since speed depends on shapes only. 0.7 % of the weights of w8a8s are outliers.
QuantizedMatrix RandomQuantizedMatrix(const QuantizedShape& shape, uint32_t seed);

}  // namespace ixc
