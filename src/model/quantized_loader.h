// Integer weights of a quantized directory, as the kernels read them.
//
// w8a8 and w8a8s are the original tool set's, for a linear X of shape [n, k]:
//   X.weight        I8 [n, k]
//   X.input_scale   float [1], finite and positive
//   X.input_offset  float or I8 [1], an integer -128 … 127
//   X.quant_bias    I32 [n]
//   X.deq_scale     F32 [n], or I64 [n] whose low 32 bits are those of a float32
// of w8a8sc, which ixc compress writes, X.weight I8 [bytes], X.index and X.info are what
// quant/nibble_codec.h has; w8a8d and w4 are of this project (quant/quantized_linear.h). The
// arithmetic is that of kernels/qgemm/quantized_matrix.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/qgemm/quantized_matrix.h"
#include "model/weight_source.h"

namespace ixc {

// Whether the weights "X.weight" that are stacked into one matrix are integers. Throws when only
// some are, or when they are so in different ways. w1 and w3 may lie under one name, w1_w3.
bool IsQuantized(const WeightSource& source, std::span<const std::string> names);

struct QuantizedSpec {
  std::span<const std::string> names;            // "X.weight", stacked in this order
  std::span<const std::vector<int64_t>> shapes;  // [n_i, k] each
  std::span<const int64_t> row_order;            // of the stack; empty: as it is
};
// Throws on tensors that are missing or of another type or shape, on values that the schemes do not
// have, and on parts that want different inputs.
QuantizedMatrix LoadQuantized(const WeightSource& source, const QuantizedSpec& spec,
                              const Compute& compute);

}  // namespace ixc
