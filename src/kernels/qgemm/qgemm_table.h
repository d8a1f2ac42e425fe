// The table behind QuantizedGemm(): which kernel runs a product of given weights and rows.
#pragma once

#include <span>

#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/qgemm_kernels.h"

namespace ixc {

// One product and the low-rank terms behind it, at least one row.
struct QGemmCall {
  ConstMatrixView x;
  const QuantizedMatrix* w;
  MatrixView y;
  QuantizedEpilogue epilogue;
  std::span<const LowRankTerm> low_rank = {};

  // The epilogue of at most `width` outputs of one row, from output `first` on.
  QGemmEpilogueRow EpilogueRow(const void* acc, int64_t row, int64_t first, int64_t width) const;
};

// Schemes whose weights lie alike have one kernel: w8a8 and w8a8d differ in activations and scales
// only.
enum class QuantLayout : uint8_t { kBytes, kNibbles, kGroups };
QuantLayout LayoutOf(QuantScheme scheme);

// One row of qgemm_kernels.inc.
struct QGemmKernel {
  const char* name;
  Isa isa;
  QuantLayout layout;
  int min_rows, max_rows;    // the rows of x that it is chosen for, by measured cost
  int tile_rows, tile_cols;  // what it holds in registers
  void (*run)(const QGemmCall& call, const Compute& compute);
};

std::span<const QGemmKernel> QGemmKernels();

// The kernel that QuantizedGemm() runs: of those for scheme and rows, the one of the best
// instruction set up to `isa`.
const QGemmKernel& ChooseQGemm(QuantScheme scheme, int64_t rows, Isa isa);

// The ways to run a product, as qgemm_kernels.inc names them.
void QGemmPlain(const QGemmCall& call, const Compute& compute);
void RunQGemmBlocked(const QGemmCode& code, const QGemmCall& call, const Compute& compute);
void RunQGemmFewRows(const QGemmCode& code, const QGemmCall& call, const Compute& compute);

template <const QGemmCode& code>
void QGemmBlocked(const QGemmCall& call, const Compute& compute) {
  RunQGemmBlocked(code, call, compute);
}
template <const QGemmCode& code>
void QGemvStreamed(const QGemmCall& call, const Compute& compute) {
  RunQGemmFewRows(code, call, compute);
}

// The portable twins of a code's two functions, for the tests.
void QuantizeActivationsScalar(const QuantizeActivations& call, float* scale);
void QGemmEpilogueScalar(const QGemmEpilogueRow& call);

}  // namespace ixc
