#include "model/weight_matrix.h"

#include "kernels/gemm/gemm_table.h"
#include "kernels/qgemm/qgemm_table.h"

namespace ixc {

void Multiply(ConstMatrixView x, const WeightMatrix& w, MatrixView y, bool accumulate,
              std::span<const LowRankTerm> low_rank, const Compute& compute) {
  if (const auto* integers = std::get_if<QuantizedMatrix>(&w)) {
    return QuantizedGemm(x, *integers, y, {nullptr, accumulate}, compute, low_rank);
  }
  GemmEpilogue epilogue;
  epilogue.accumulate = accumulate;
  Gemm(x, std::get<PackedMatrix>(w), y, epilogue, compute, low_rank);
}

int64_t NumWeights(const WeightMatrix& w) {
  return std::visit([](const auto& matrix) { return matrix.n * matrix.k; }, w);
}

size_t NumBytes(const WeightMatrix& w) {
  return std::visit([](const auto& matrix) { return matrix.NumBytes(); }, w);
}

const char* SchemeName(const WeightMatrix& w) {
  if (const auto* integers = std::get_if<QuantizedMatrix>(&w)) return Name(integers->scheme);
  const DType dtype = std::get<PackedMatrix>(w).dtype;
  if (dtype == DType::kF16) return "f16";
  return dtype == DType::kBF16 ? "bf16" : "fp32";
}

const char* KernelName(const WeightMatrix& w, int64_t rows, Isa isa) {
  if (const auto* integers = std::get_if<QuantizedMatrix>(&w)) {
    return ChooseQGemm(integers->scheme, rows, isa).name;
  }
  return ChooseGemm(std::get<PackedMatrix>(w).dtype, rows, isa).name;
}

}  // namespace ixc
