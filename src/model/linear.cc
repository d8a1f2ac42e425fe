#include "model/linear.h"

namespace ixc {

void Linear::Apply(ConstMatrixView x, MatrixView y, Activation activation,
                   const Compute& compute) const {
  GemmEpilogue epilogue;
  epilogue.bias = bias.empty() ? nullptr : bias.data();
  epilogue.activation = activation;
  Gemm(x, weight, y, epilogue, compute);
}

void Linear::AddTo(ConstMatrixView x, MatrixView y, const Compute& compute) const {
  GemmEpilogue epilogue;
  epilogue.bias = bias.empty() ? nullptr : bias.data();
  epilogue.accumulate = true;
  Gemm(x, weight, y, epilogue, compute);
}

void PartialLoraLinear::Apply(ConstMatrixView x, MatrixView y, bool accumulate,
                              std::span<const RowRange> image_rows, const Compute& compute) const {
  const RowRange all[] = {{0, x.rows}};
  std::vector<LowRankTerm> terms;
  for (const Adapter& adapter : adapters) {
    const std::span<const RowRange> rows = adapter.all_rows ? all : image_rows;
    if (rows.empty()) continue;
    terms.push_back({&adapter.a, &adapter.b, adapter.scale, adapter.first_output, rows});
  }
  Multiply(x, weight, y, accumulate, terms, compute);
}

}  // namespace ixc
