#include "kernels/qgemm/qgemm.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/qgemm/qgemm_table.h"

namespace ixc {

namespace {

constexpr int kAnyRows = std::numeric_limits<int>::max();

constexpr QGemmKernel kKernels[] = {
#define QGEMM_KERNEL(name, isa, layout, min_rows, max_rows, tile_rows, tile_cols, run) \
  {#name, Isa::isa, QuantLayout::layout, min_rows, max_rows, tile_rows, tile_cols, run},
#include "kernels/qgemm/qgemm_kernels.inc"
#undef QGEMM_KERNEL
};

}  // namespace

std::span<const QGemmKernel> QGemmKernels() { return kKernels; }

QuantLayout LayoutOf(QuantScheme scheme) {
  if (scheme == QuantScheme::kW8A8S) return QuantLayout::kNibbles;
  return scheme == QuantScheme::kW4 ? QuantLayout::kGroups : QuantLayout::kBytes;
}

const QGemmKernel& ChooseQGemm(QuantScheme scheme, int64_t rows, Isa isa) {
  const QuantLayout layout = LayoutOf(scheme);
  const QGemmKernel* best = nullptr;
  for (const QGemmKernel& kernel : kKernels) {
    const bool fits = kernel.layout == layout && kernel.isa <= isa && kernel.min_rows <= rows &&
                      rows <= kernel.max_rows;
    if (fits && (best == nullptr || kernel.isa > best->isa)) best = &kernel;
  }
  if (best == nullptr) Fail("no product of {} rows for {} weights", rows, Name(scheme));
  return *best;
}

QGemmEpilogueRow QGemmCall::EpilogueRow(const void* acc, int64_t row, int64_t first,
                                        int64_t width) const {
  const auto from = [first](const auto& values) {
    return values.empty() ? nullptr : values.data() + first;
  };
  QGemmEpilogueRow call{};
  call.acc = acc;
  call.output_bias = from(w->output_bias);
  call.output_scale = from(w->output_scale);
  call.bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first;
  call.y = y.Row(row) + first;
  call.cols = std::min(w->n - first, width);
  call.accumulate = epilogue.accumulate;
  return call;
}

void QuantizedGemm(ConstMatrixView x, const QuantizedMatrix& w, MatrixView y,
                   const QuantizedEpilogue& epilogue, const Compute& compute,
                   std::span<const LowRankTerm> low_rank) {
  if (x.cols != w.k || y.cols != w.n || x.rows != y.rows) {
    Fail("matrix product of x [{}, {}] with {} weights [{}, {}] into y [{}, {}]: shapes do not fit",
         x.rows, x.cols, Name(w.scheme), w.n, w.k, y.rows, y.cols);
  }
  if (x.rows == 0 || w.n == 0) return;
  ChooseQGemm(w.scheme, x.rows, compute.isa).run({x, &w, y, epilogue, low_rank}, compute);
}

}  // namespace ixc
