// What is added to a matrix product on some of its rows: partial LoRA, which sees the rows of a
// picture only, and ordinary LoRA, which sees all.
//
//   y[row, first_output …] += scale (x[row] A^T) B^T   for the rows in `rows`
//
// x A^T is rounded to float32, and the correction is added to y after everything else. Whoever
// computes it, the bits are the same: see packed_matrix.h.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/compute.h"
#include "kernels/gemm/packed_matrix.h"
#include "tensor/tensor.h"

namespace ixc {

struct LowRankTerm {
  const PackedMatrix* a = nullptr;  // [rank, k]
  const PackedMatrix* b = nullptr;  // [n_part, rank]
  float scale = 1.0f;
  int64_t first_output = 0;        // column of y where n_part columns begin
  std::span<const RowRange> rows;  // in ascending order, none twice
};

// The terms as products of their own, after that of the weights. Products of many rows have them in
// their tasks instead (low_rank_tail.h).
void AddLowRank(ConstMatrixView x, std::span<const LowRankTerm> terms, MatrixView y,
                const Compute& compute);

}  // namespace ixc
