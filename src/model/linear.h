// Linear layers of the two models, plain and with partial LoRA.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "model/weight_matrix.h"

namespace ixc {

// y = x W^T + b
struct Linear {
  PackedMatrix weight;      // [n, k]
  std::vector<float> bias;  // [n], or empty

  // y = activation(x W^T + b)
  void Apply(ConstMatrixView x, MatrixView y, Activation activation, const Compute& compute) const;
  // y += x W^T + b
  void AddTo(ConstMatrixView x, MatrixView y, const Compute& compute) const;
};

// Partial LoRA: rows that came from an image get a low-rank correction, the others none.
//
//   y = x W^T + m s (x A^T) B^T,   m = 1 on image rows, else 0,   s = alpha / rank
//
// An ordinary LoRA that was loaded on top is an adapter with m = 1 on every row.
// W may be several matrices stacked (gate and up of the MLP); each then has its own A and B. W may
// hold integers; A and B never do, and they see the activations as they are, not quantized.
struct PartialLoraLinear {
  struct Adapter {
    PackedMatrix a;            // [rank, k]
    PackedMatrix b;            // [n_part, rank]
    float scale = 1.0f;        // alpha / rank
    int64_t first_output = 0;  // column of y where this part begins
    bool all_rows = false;     // ordinary LoRA
  };

  WeightMatrix weight;  // [n, k]
  std::vector<Adapter> adapters;

  // y = … or, with `accumulate`, y += …; image_rows are ranges of rows of x. A and B of partial
  // LoRA are not touched when there are none (every decode step).
  void Apply(ConstMatrixView x, MatrixView y, bool accumulate, std::span<const RowRange> image_rows,
             const Compute& compute) const;
};

}  // namespace ixc
