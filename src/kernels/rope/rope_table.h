// The table behind the functions of rope.h.
#pragma once

#include "kernels/rope/rope_kernels.h"
#include "kernels/row_table.h"

namespace ixc {

using RopeKernel = RowKernel<RopeIsa>;
std::span<const RopeKernel> RopeKernels();

}  // namespace ixc
