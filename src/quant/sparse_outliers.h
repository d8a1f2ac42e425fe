// The weights of w8a8s: int8 of which all but about a hundredth use only -7 … 7.
//
//   k = floor(numel * fraction),  t = the k-th largest |w| of the whole matrix
//   outliers = { |w| > t },  scale[r] = a[r] / 7 with a[r] the row's largest |w| that is no outlier
//   q = clamp(round(w / scale), -127, 127) for all weights, half to even
//
// as the original tool set does it with co_sparse. A row of zeros has scale 2^-23 (0 there, and so
// NaN); a row of outliers only is scaled by its largest / 127.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

// t of a matrix of floats; infinity where k is 0. Two passes over the weights, no copy of them.
// NaNs are not looked for.
float OutlierThreshold(const TensorView& weights, double fraction, const Compute& compute);

// scale[r]; `fake_outlier_scale` is what the original multiplies an outlier's integer by while it
// calibrates: 127 a / 7 / 127 in float32, in that order.
struct SparseRowScale {
  float scale = 0;
  float fake_outlier_scale = 0;
};
SparseRowScale ScaleSparseRow(std::span<const float> weights, float threshold);

}  // namespace ixc
