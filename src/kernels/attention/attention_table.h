// The table behind Attention().
#pragma once

#include <span>

#include "cpu/features.h"
#include "kernels/attention/attention_kernels.h"

namespace ixc {

// One row of attention_kernels.inc. Every row takes F32 and F16 keys.
struct AttentionKernel {
  const char* name;
  Isa isa;
  int min_rows;              // of a call, see the table
  int tile_rows, tile_cols;  // of both products
  const AttentionIsa* isa_functions;
};

std::span<const AttentionKernel> AttentionKernels();

// The row of the best instruction set up to `isa` for `rows` query positions times the query heads
// that share a KV head.
const AttentionKernel& ChooseAttention(Isa isa, int64_t rows);

}  // namespace ixc
