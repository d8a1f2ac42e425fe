// y = epilogue(x W^T) with integer weights: activations are quantized on the way in, the products
// are exact integers, and the scales go back to float32. The formulas are in quantized_matrix.h
// (w8a8 and w8a8s: those of the original tool set, whose quantizer gives the numbers).
//
// Results are the same to the bit on every instruction set, for any number of rows and threads:
// integer sums have no rounding, and what follows them has one order.
#pragma once

#include <span>

#include "kernels/compute.h"
#include "kernels/gemm/low_rank.h"
#include "kernels/qgemm/quantized_matrix.h"
#include "tensor/tensor.h"

namespace ixc {

struct QuantizedEpilogue {
  const float* bias = nullptr;  // [n], added after the scales
  bool accumulate = false;      // y += instead of y =
};

// x is [rows, k], y [rows, n], float32; any number of rows, also 0. y may not overlap x. The
// low-rank terms, in float from the activations as they are, are added at the end.
void QuantizedGemm(ConstMatrixView x, const QuantizedMatrix& w, MatrixView y,
                   const QuantizedEpilogue& epilogue, const Compute& compute,
                   std::span<const LowRankTerm> low_rank = {});

}  // namespace ixc
