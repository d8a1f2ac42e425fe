// The table behind the functions of activation.h.
#pragma once

#include "kernels/activation/activation_kernels.h"
#include "kernels/row_table.h"

namespace ixc {

using ActivationKernel = RowKernel<ActivationIsa>;
std::span<const ActivationKernel> ActivationKernels();

}  // namespace ixc
