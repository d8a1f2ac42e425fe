// Normalisation over the columns of each row.
#pragma once

#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

// y = x / sqrt(mean(x^2) + eps) * weight. y may be x.
void RmsNorm(ConstMatrixView x, const float* weight, float eps, MatrixView y,
             const Compute& compute);

// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias, biased variance. y may be x.
void LayerNorm(ConstMatrixView x, const float* weight, const float* bias, float eps, MatrixView y,
               const Compute& compute);

}  // namespace ixc
