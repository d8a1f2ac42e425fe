#include "kernels/activation/activation.h"

#include "base/error.h"
#include "kernels/activation/activation_table.h"

namespace ixc {

namespace {

constexpr ActivationKernel kKernels[] = {
#define ACTIVATION_KERNEL(name, isa, functions) {#name, Isa::isa, &functions},
#include "kernels/activation/activation_kernels.inc"
#undef ACTIVATION_KERNEL
};

void CheckSameShape(ConstMatrixView a, ConstMatrixView b) {
  if (a.rows != b.rows || a.cols != b.cols) {
    Fail("element-wise step on [{}, {}] and [{}, {}]: shapes differ", a.rows, a.cols, b.rows,
         b.cols);
  }
}

}  // namespace

std::span<const ActivationKernel> ActivationKernels() { return kKernels; }

void SiluMul(ConstMatrixView gate, ConstMatrixView up, MatrixView out, const Compute& compute) {
  CheckSameShape(gate, up);
  CheckSameShape(gate, out);
  const ActivationIsa& kernel = *ChooseRow(ActivationKernels(), compute.isa).functions;
  compute.pool->ParallelFor(gate.rows, RowGrain(gate.cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel.silu_mul(gate.Row(row), up.Row(row), out.Row(row), gate.cols);
    }
  });
}

void AddInPlace(ConstMatrixView x, MatrixView y, const Compute& compute) {
  CheckSameShape(x, y);
  const ActivationIsa& kernel = *ChooseRow(ActivationKernels(), compute.isa).functions;
  compute.pool->ParallelFor(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) kernel.add(x.Row(row), y.Row(row), x.cols);
  });
}

}  // namespace ixc
