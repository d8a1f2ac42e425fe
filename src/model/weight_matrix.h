// The matrix of a linear layer: floats as stored, or integers with scales.
#pragma once

#include <span>
#include <string>
#include <variant>

#include "kernels/gemm/gemm.h"
#include "kernels/qgemm/qgemm.h"

namespace ixc {

using WeightMatrix = std::variant<PackedMatrix, QuantizedMatrix>;

// y = x W^T or, with `accumulate`, y += x W^T; then the low-rank terms.
void Multiply(ConstMatrixView x, const WeightMatrix& w, MatrixView y, bool accumulate,
              std::span<const LowRankTerm> low_rank, const Compute& compute);

int64_t NumWeights(const WeightMatrix& w);
// Read by one product, scales included.
size_t NumBytes(const WeightMatrix& w);
// "f16", "bf16", "fp32", "w8a8", "w8a8s", "w8a8d" or "w4": what figures and logs call it.
const char* SchemeName(const WeightMatrix& w);
// The kernel that Multiply() runs for this many rows.
const char* KernelName(const WeightMatrix& w, int64_t rows, Isa isa);

}  // namespace ixc
