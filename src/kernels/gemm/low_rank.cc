#include "kernels/gemm/low_rank.h"

#include "kernels/gemm/gemm.h"

namespace ixc {

void AddLowRank(ConstMatrixView x, std::span<const LowRankTerm> terms, MatrixView y,
                const Compute& compute) {
  for (const LowRankTerm& term : terms) {
    GemmEpilogue correction;
    correction.accumulate = true;
    correction.scale = term.scale;
    for (const RowRange& rows : term.rows) {
      const int64_t count = rows.end - rows.begin;
      Matrix low_rank(count, term.a->n);
      Gemm(x.Rows(rows.begin, count), *term.a, low_rank, {}, compute);
      Gemm(low_rank, *term.b, y.Rows(rows.begin, count).Cols(term.first_output, term.b->n),
           correction, compute);
    }
  }
}

}  // namespace ixc
