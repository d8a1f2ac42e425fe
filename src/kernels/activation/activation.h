// Element-wise steps between the matrix products.
#pragma once

#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

// out = silu(gate) * up, silu(z) = z * sigmoid(z). out may be gate or up.
void SiluMul(ConstMatrixView gate, ConstMatrixView up, MatrixView out, const Compute& compute);

// y += x
void AddInPlace(ConstMatrixView x, MatrixView y, const Compute& compute);

}  // namespace ixc
