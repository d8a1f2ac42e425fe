// The table behind the functions of norm.h.
#pragma once

#include "kernels/norm/norm_kernels.h"
#include "kernels/row_table.h"

namespace ixc {

using NormKernel = RowKernel<NormIsa>;
std::span<const NormKernel> NormKernels();

}  // namespace ixc
