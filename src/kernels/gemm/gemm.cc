#include "kernels/gemm/gemm.h"

#include <limits>

#include "base/error.h"
#include "kernels/gemm/gemm_table.h"

namespace ixc {

namespace {

constexpr int kAnyRows = std::numeric_limits<int>::max();

constexpr GemmKernel kKernels[] = {
#define GEMM_KERNEL(name, isa, dtype, packing, min_rows, max_rows, tile_rows, tile_cols, run) \
  {#name, Isa::isa, DType::dtype, Packing::packing, min_rows, max_rows, tile_rows, tile_cols, run},
#include "kernels/gemm/gemm_kernels.inc"
#undef GEMM_KERNEL
};

}  // namespace

std::span<const GemmKernel> GemmKernels() { return kKernels; }

const GemmKernel& ChooseGemm(DType dtype, int64_t rows, Isa isa) {
  const GemmKernel* best = nullptr;
  for (const GemmKernel& kernel : kKernels) {
    const bool fits = kernel.dtype == dtype && kernel.isa <= isa && kernel.min_rows <= rows &&
                      rows <= kernel.max_rows;
    if (fits && (best == nullptr || kernel.isa > best->isa)) best = &kernel;
  }
  if (best == nullptr)
    Fail("no matrix product for {} weights; wanted F32, F16 or BF16", Name(dtype));
  return *best;
}

const GemmIsa* BlockedIsa(Isa isa) {
  if (isa >= Isa::kAvx512) return &kGemmAvx512;
  return isa >= Isa::kAvx2 ? &kGemmAvx2 : nullptr;
}

void Gemm(ConstMatrixView x, const PackedMatrix& w, MatrixView y, const GemmEpilogue& epilogue,
          const Compute& compute, std::span<const LowRankTerm> low_rank) {
  if (x.cols != w.k || y.cols != w.n || x.rows != y.rows) {
    Fail("matrix product of x [{}, {}] with weights [{}, {}] into y [{}, {}]: shapes do not fit",
         x.rows, x.cols, w.n, w.k, y.rows, y.cols);
  }
  if (x.rows == 0 || w.n == 0) return;
  ChooseGemm(w.dtype, x.rows, compute.isa).run({x, &w, y, epilogue, low_rank}, compute);
}

}  // namespace ixc
