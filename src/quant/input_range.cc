#include "quant/input_range.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ixc {

InputParameters ParametersOf(float lo, float hi) {
  lo = std::min(lo, 0.0f);
  hi = std::max(hi, 0.0f);
  InputParameters parameters;
  parameters.scale = std::max((hi - lo) / 255.0f, 0x1p-23f);
  parameters.offset = static_cast<int32_t>(std::nearbyint(-lo / parameters.scale)) - 128;
  return parameters;
}

void FakeQuantize(MatrixView x, const InputParameters& parameters) {
  const auto offset = static_cast<float>(parameters.offset);
  for (int64_t row = 0; row < x.rows; ++row) {
    float* values = x.Row(row);
    for (int64_t i = 0; i < x.cols; ++i) {
      const float q = std::nearbyint(values[i] / parameters.scale + offset);
      values[i] = (std::clamp(q, -128.0f, 127.0f) - offset) * parameters.scale;
    }
  }
}

void InputRange::Add(ConstMatrixView x) {
  float low = INFINITY, high = -INFINITY;
  bool finite = true;
  for (int64_t row = 0; row < x.rows; ++row) {
    const float* values = x.Row(row);
    for (int64_t i = 0; i < x.cols; ++i) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
      finite &= std::isfinite(values[i]);
    }
  }
  if (!finite || x.rows == 0) {
    Fail("calibration: activations are not finite; see 'ixc inspect --verify' for the weights");
  }
  sum_min_ += static_cast<double>(low);
  sum_max_ += static_cast<double>(high);
  ++count_;
}

}  // namespace ixc
