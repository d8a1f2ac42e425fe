// Rotary position embedding, rotate-half form: dimension d of a head pairs with d + head_dim / 2.
#pragma once

#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

// Rotates in place every head of every row: x is [rows, num_heads * head_dim]; cos and sin are
// [rows, head_dim / 2], the table rows that belong to the rows of x.
//   x'[d]           = x[d] cos[d] - x[d + half] sin[d]
//   x'[d + half]    = x[d + half] cos[d] + x[d] sin[d]
void ApplyRope(MatrixView x, int head_dim, ConstMatrixView cos, ConstMatrixView sin,
               const Compute& compute);

}  // namespace ixc
