#include "kernels/norm/norm.h"

#include "base/error.h"
#include "kernels/norm/norm_table.h"

namespace ixc {

namespace {

constexpr NormKernel kKernels[] = {
#define NORM_KERNEL(name, isa, functions) {#name, Isa::isa, &functions},
#include "kernels/norm/norm_kernels.inc"
#undef NORM_KERNEL
};

void CheckShapes(ConstMatrixView x, MatrixView y) {
  if (x.rows != y.rows || x.cols != y.cols) {
    Fail("normalisation of [{}, {}] into [{}, {}]: shapes differ", x.rows, x.cols, y.rows, y.cols);
  }
}

}  // namespace

std::span<const NormKernel> NormKernels() { return kKernels; }

void RmsNorm(ConstMatrixView x, const float* weight, float eps, MatrixView y,
             const Compute& compute) {
  CheckShapes(x, y);
  const NormIsa& kernel = *ChooseRow(NormKernels(), compute.isa).functions;
  compute.pool->ParallelFor(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel.rms_norm({x.Row(row), weight, nullptr, y.Row(row), x.cols, eps});
    }
  });
}

void LayerNorm(ConstMatrixView x, const float* weight, const float* bias, float eps, MatrixView y,
               const Compute& compute) {
  CheckShapes(x, y);
  const NormIsa& kernel = *ChooseRow(NormKernels(), compute.isa).functions;
  compute.pool->ParallelFor(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel.layer_norm({x.Row(row), weight, bias, y.Row(row), x.cols, eps});
    }
  });
}

}  // namespace ixc
