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

namespace {

// y += s (x A^T) B^T on the adapter's columns.
void AddCorrection(const PartialLoraLinear::Adapter& adapter, ConstMatrixView x, MatrixView y,
                   const Compute& compute) {
  Matrix low_rank(x.rows, adapter.a.n);
  Gemm(x, adapter.a, low_rank, {}, compute);
  GemmEpilogue correction;
  correction.accumulate = true;
  correction.scale = adapter.scale;
  Gemm(low_rank, adapter.b, y.Cols(adapter.first_output, adapter.b.n), correction, compute);
}

}  // namespace

void PartialLoraLinear::Apply(ConstMatrixView x, MatrixView y, bool accumulate,
                              std::span<const RowRange> image_rows, const Compute& compute) const {
  Multiply(x, weight, y, accumulate, compute);
  for (const Adapter& adapter : adapters) {
    if (adapter.all_rows) {
      AddCorrection(adapter, x, y, compute);
      continue;
    }
    for (const RowRange& range : image_rows) {
      const int64_t count = range.end - range.begin;
      AddCorrection(adapter, x.Rows(range.begin, count), y.Rows(range.begin, count), compute);
    }
  }
}

}  // namespace ixc
