// One linear on its way into a quantized directory: from floats to the tensors of the file.
//
//   scheme  integers                        scale
//   w8a8    quant/round_to_nearest.h        max |w| of the output / 127
//   w8a8s   quant/sparse_outliers.h         largest usual |w| of the output / 7
//   w8a8d   as w8a8
//   w4      -8 … 7 in groups of an output   the group's extreme / -8, F16, or what a search finds
//
// The tensors of X, [n, k]: those of the original tool set for w8a8 and w8a8s
// (model/quantized_loader.h); of w8a8d X.weight I8 [n, k] and X.weight_scale F32 [n, 1]; of w4
// X.weight U8 [n, (k + 1) / 2], w + 8 in four bits, even inputs in the low half, and X.weight_scale
// F16 [n, groups].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "kernels/qgemm/quantized_matrix.h"
#include "quant/input_range.h"

namespace ixc {

struct QuantizedLinear {
  std::string prefix;  // "model.layers.0.attention.wqkv"
  TensorView weight;   // floats [n, k]; must outlive this
  QuantScheme scheme = QuantScheme::kW8A8D;
  int64_t group = 0;      // w4
  float threshold = 0;    // w8a8s: OutlierThreshold()
  InputParameters input;  // w8a8 and w8a8s

  // What MeasureWeights() fills.
  std::vector<float> scales;  // [n], of w4 [n, groups]
  std::vector<int32_t> sums;  // [n], of the integers: w8a8 and w8a8s

  int64_t n() const { return weight.shape[0]; }
  int64_t k() const { return weight.shape[1]; }
  int64_t num_groups() const { return group == 0 ? 1 : (k() + group - 1) / group; }
};

struct MeasureOptions {
  double fraction = 0.011;  // w8a8s: of weights that are outliers
  bool search = false;      // w4: the scale of least squared error instead of the extreme's
  std::span<const float> importance;  // of the search: weight of each input's error [k]; or none
};

// Scales and sums. Throws on weights that are not finite, naming the tensor and the place.
void MeasureWeights(QuantizedLinear& linear, const MeasureOptions& options, const Compute& compute);

// The integers of one output, [k].
void QuantizeRow(const QuantizedLinear& linear, int64_t row, std::span<int8_t> q);

// The floats of one output as the original's calibration multiplies with them, [k].
void FakeQuantizeRow(const QuantizedLinear& linear, int64_t row, std::span<float> to);

// The tensors, which read `linear` when they are written. deq_scale is I64 in directories of
// float16 and float32 models, F32 in those of bfloat16 ones.
std::vector<TensorSource> TensorsOf(const QuantizedLinear& linear, DType deq_scale,
                                    const Compute& compute);

// "W8A8", "W8A8S", "W8A8D" or "W4": in descriptions.
const char* TagOf(QuantScheme scheme);

}  // namespace ixc
