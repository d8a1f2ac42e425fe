// Low-rank terms for the tests of products: parts that begin anywhere, rows in several ranges.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/gemm/low_rank.h"
#include "unit/kernels_test_util.h"

namespace ixc {

struct LowRankCase {
  // Terms for x [rows, k] and y [rows, n]: partial LoRA on the left and on the right part of the
  // outputs, and an ordinary LoRA on all.
  LowRankCase(int64_t rows, int64_t n, int64_t k, int64_t rank)
      : split(n / 3), images(ImageRows(rows)), all{{0, rows}} {
    terms = {{Add(rank, k), Add(split, rank), 0.5f, 0, images},
             {Add(rank, k), Add(n - split, rank), 2.0f, split, images},
             {Add(rank + 1, k), Add(n, rank + 1), -1.0f, 0, all}};
  }
  LowRankCase(const LowRankCase&) = delete;
  LowRankCase& operator=(const LowRankCase&) = delete;

  int64_t split;
  std::vector<RowRange> images, all;
  std::vector<std::unique_ptr<PackedMatrix>> matrices;
  std::vector<LowRankTerm> terms;

 private:
  // Two pictures with text before, between and behind them, where there are rows for it.
  static std::vector<RowRange> ImageRows(int64_t rows) {
    if (rows < 5) return {{0, rows}};
    return {{1, rows / 2}, {rows / 2 + 1, rows - 1}};
  }

  const PackedMatrix* Add(int64_t outputs, int64_t inputs) {
    static ThreadPool pool(1);
    const auto seed = static_cast<uint32_t>(matrices.size() + 40);
    const auto values = RandomFloats(static_cast<size_t>(outputs * inputs), seed, 0.1f);
    const EncodedTensor tensor(values, {outputs, inputs}, DType::kF32);
    matrices.push_back(std::make_unique<PackedMatrix>(
        PackMatrix(std::span(&tensor.view, 1), DType::kF16, {}, {Isa::kScalar, &pool})));
    return matrices.back().get();
  }
};

// Whether a product with the terms has the bits of one without them and the terms behind it.
// product(y, terms) is the product of x into y [x.rows, n].
template <typename Product>
bool HasTermsBehind(ConstMatrixView x, int64_t n, std::span<const LowRankTerm> terms,
                    const Compute& compute, Product&& product) {
  StridedMatrix y(x.rows, n, n + 2, 7), twin(x.rows, n, n + 2, 7);
  product(y.view, terms);
  product(twin.view, std::span<const LowRankTerm>());
  AddLowRank(x, terms, twin.view, compute);
  return SameBits(y.values, twin.values);
}

}  // namespace ixc
