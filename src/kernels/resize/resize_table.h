// The table behind ResizeRgb().
#pragma once

#include "kernels/resize/resize_kernels.h"
#include "kernels/row_table.h"

namespace ixc {

using ResizeKernel = RowKernel<ResizeIsa>;
std::span<const ResizeKernel> ResizeKernels();

}  // namespace ixc
