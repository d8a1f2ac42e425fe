// y = epilogue(x W^T): the matrix product of every linear layer.
//
// x is [rows, k] float32, W packed ([n, k], see packed_matrix.h), y is [rows, n] float32.
// Products are accumulated in float32, each output in chains of 256 fused multiply-adds in
// ascending k, added up in order (the scalar row: separate multiply and add).
#pragma once

#include "kernels/compute.h"
#include "kernels/gemm/low_rank.h"
#include "kernels/gemm/packed_matrix.h"

namespace ixc {

enum class Activation : uint8_t {
  kNone,
  kQuickGelu,  // z * sigmoid(1.702 z), the CLIP tower
  kGelu,       // exact: 0.5 z (1 + erf(z / sqrt 2)), the projector
};

struct GemmEpilogue {
  const float* bias = nullptr;  // [n], added first
  Activation activation = Activation::kNone;
  float scale = 1.0f;       // multiplies the result before it is stored or added
  bool accumulate = false;  // y += instead of y =
};

// Any number of rows, also 0. y may not overlap x. The low-rank terms are added at the end; rows of
// theirs lie within x, columns within y.
void Gemm(ConstMatrixView x, const PackedMatrix& w, MatrixView y, const GemmEpilogue& epilogue,
          const Compute& compute, std::span<const LowRankTerm> low_rank = {});

}  // namespace ixc
