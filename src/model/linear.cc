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
  Multiply(x, weight, y, accumulate, compute);

  GemmEpilogue correction;
  correction.accumulate = true;
  for (const RowRange& range : image_rows) {
    const int64_t count = range.end - range.begin;
    for (const Adapter& adapter : adapters) {
      Matrix low_rank(count, adapter.a.n);
      Gemm(x.Rows(range.begin, count), adapter.a, low_rank, {}, compute);
      correction.scale = adapter.scale;
      Gemm(low_rank, adapter.b, y.Rows(range.begin, count).Cols(adapter.first_output, adapter.b.n),
           correction, compute);
    }
  }
}

}  // namespace ixc
