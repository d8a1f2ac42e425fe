#include "kernels/rope/rope.h"

#include "base/error.h"
#include "kernels/rope/rope_table.h"

namespace ixc {

namespace {

constexpr RopeKernel kKernels[] = {
#define ROPE_KERNEL(name, isa, functions) {#name, Isa::isa, &functions},
#include "kernels/rope/rope_kernels.inc"
#undef ROPE_KERNEL
};

}  // namespace

std::span<const RopeKernel> RopeKernels() { return kKernels; }

void ApplyRope(MatrixView x, int head_dim, ConstMatrixView cos, ConstMatrixView sin,
               const Compute& compute) {
  const int half = head_dim / 2;
  if (head_dim <= 0 || head_dim % 2 != 0 || x.cols % head_dim != 0) {
    Fail("rotary embedding of rows of {} in heads of {}: wanted whole heads of even size", x.cols,
         head_dim);
  }
  if (cos.rows != x.rows || sin.rows != x.rows || cos.cols != half || sin.cols != half) {
    Fail("rotary embedding of {} rows: cos is [{}, {}], sin [{}, {}], wanted [{}, {}]", x.rows,
         cos.rows, cos.cols, sin.rows, sin.cols, x.rows, half);
  }
  const RopeIsa& kernel = *ChooseRow(RopeKernels(), compute.isa).functions;
  const int num_heads = static_cast<int>(x.cols / head_dim);
  compute.pool->ParallelFor(x.rows, RowGrain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernel.rotate({x.Row(row), cos.Row(row), sin.Row(row), num_heads, half});
    }
  });
}

}  // namespace ixc
