// Weights in the order in which the kernels read them.
//
// W is [n, k] row-major as in the checkpoint (n outputs, k inputs). Packed: panels of kPanelWidth
// outputs; within a panel the k index runs slowest:
//
//   packed[panel][k][16],   packed[p][i][j] = W[16 p + j][i],   rows beyond n are zero.
//
// The elements keep their stored type (F32, F16 or BF16). Prefill (many rows) and decode (one row)
// read this one copy, and every kernel sums each output over i in the same order
// (kSumBlock in gemm_kernels.h), so that which kernel ran never changes a bit of the result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu/weight_bytes.h"
#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

constexpr int kPanelWidth = 16;

struct PackedMatrix {
  DType dtype = DType::kF32;
  int64_t n = 0;  // outputs
  int64_t k = 0;  // inputs
  WeightBytes data;

  int64_t NumPanels() const { return (n + kPanelWidth - 1) / kPanelWidth; }
  size_t PanelBytes() const { return static_cast<size_t>(k) * kPanelWidth * SizeOf(dtype); }
  // Everything that a product reads.
  size_t NumBytes() const { return data.size(); }
};

// The rows of stacked tensors: where each starts, k elements of `dtype`, not aligned.
struct StackedRows {
  std::vector<const std::byte*> rows;
  DType dtype = DType::kF32;
  int64_t k = 0;
};

// The rows of `parts` (each [n_i, k], equal k, equal dtype; more dimensions count as k) on top of
// each other. row_order as below.
StackedRows StackTensors(std::span<const TensorView> parts, std::span<const int64_t> row_order);

// Packs the rows of `parts` (each [n_i, k], F32/F16/BF16, equal k, equal dtype; more dimensions
// count as k) stacked on top of each other, converting to `dtype`. row_order, if not empty, has one
// entry an output: output r of the result is stacked row row_order[r].
PackedMatrix PackMatrix(std::span<const TensorView> parts, DType dtype,
                        std::span<const int64_t> row_order, const Compute& compute);

}  // namespace ixc
