// The table behind Gemm(): which kernel runs a product of given weights and rows.
#pragma once

#include <span>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_kernels.h"

namespace ixc {

// One product: y = epilogue(x W^T), then the low-rank terms; at least one row.
struct GemmCall {
  ConstMatrixView x;
  const PackedMatrix* w;
  MatrixView y;
  GemmEpilogue epilogue;
  std::span<const LowRankTerm> low_rank = {};

  // The epilogue of at most `width` outputs of one row, from output `first` on.
  GemmEpilogueRow EpilogueRow(const float* acc, int64_t row, int64_t first, int64_t width) const {
    const int64_t cols = w->n - first < width ? w->n - first : width;
    const float* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first;
    return {acc,
            bias,
            y.Row(row) + first,
            cols,
            epilogue.scale,
            static_cast<int>(epilogue.activation),
            epilogue.accumulate};
  }
};

// The index of a dtype in the tables of a GemmIsa.
inline int TypeIndex(DType dtype) {
  return dtype == DType::kF32 ? kTypeF32 : dtype == DType::kF16 ? kTypeF16 : kTypeBF16;
}

// How the weights lie; kernels with the same id read the same copy.
enum class Packing : uint8_t { kPanels16 };

// One row of gemm_kernels.inc.
struct GemmKernel {
  const char* name;
  Isa isa;
  DType dtype;
  Packing packing;
  int min_rows, max_rows;    // the rows of x that it is chosen for, by measured cost
  int tile_rows, tile_cols;  // what it holds in registers
  void (*run)(const GemmCall& call, const Compute& compute);
};

std::span<const GemmKernel> GemmKernels();

// The kernel that Gemm() runs: of those for dtype and rows, the one of the best instruction set up
// to `isa`.
const GemmKernel& ChooseGemm(DType dtype, int64_t rows, Isa isa);

// The three ways to run a product, as gemm_kernels.inc names them.
void GemmPlain(const GemmCall& call, const Compute& compute);
void RunGemmBlocked(const GemmIsa& isa, const GemmCall& call, const Compute& compute);
void RunGemmFewRows(const GemmIsa& isa, const GemmCall& call, const Compute& compute);

// What products of many rows run with up to `isa`; null for the scalar one.
const GemmIsa* BlockedIsa(Isa isa);

template <const GemmIsa& isa>
void GemmBlocked(const GemmCall& call, const Compute& compute) {
  RunGemmBlocked(isa, call, compute);
}
template <const GemmIsa& isa>
void GemvStreamed(const GemmCall& call, const Compute& compute) {
  RunGemmFewRows(isa, call, compute);
}

}  // namespace ixc
