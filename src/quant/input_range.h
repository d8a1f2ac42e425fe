// How the input of a linear is quantized when that is fixed beforehand (w8a8 and w8a8s), from what
// was seen of it during calibration. As the original tool set's min-max method does it:
//
//   lo = min(0, mean of the samples' minima), hi = max(0, mean of their maxima)
//   scale = max((hi - lo) / 255, 2^-23),  offset = round(-lo / scale) - 128
//   q = clamp(round(x / scale + offset), -128, 127),  x ~ (q - offset) scale,  half to even
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace ixc {

struct InputParameters {
  float scale = 1.0f;
  int32_t offset = 0;  // -128 … 127
  friend bool operator==(const InputParameters&, const InputParameters&) = default;
};

// Parameters of inputs between lo and hi.
InputParameters ParametersOf(float lo, float hi);

// x = dequantize(quantize(x))
void FakeQuantize(MatrixView x, const InputParameters& parameters);

class InputRange {
 public:
  // One sample: the extremes of its whole input. Throws on values that are not finite.
  void Add(ConstMatrixView x);
  // Of the samples so far; at least one.
  float mean_min() const { return static_cast<float>(sum_min_ / count_); }
  float mean_max() const { return static_cast<float>(sum_max_ / count_); }
  InputParameters parameters() const { return ParametersOf(mean_min(), mean_max()); }

 private:
  double sum_min_ = 0;
  double sum_max_ = 0;
  double count_ = 0;
};

}  // namespace ixc
