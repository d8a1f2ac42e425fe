// Tables of the row-by-row families (norm, rope, activation): one entry an instruction set.
#pragma once

#include <span>

#include "cpu/features.h"

namespace ixc {

template <typename Functions>
struct RowKernel {
  const char* name;
  Isa isa;
  const Functions* functions;
};

// The entry of the best instruction set up to `isa`; the first entry is the scalar one.
template <typename Functions>
const RowKernel<Functions>& ChooseRow(std::span<const RowKernel<Functions>> kernels, Isa isa) {
  const RowKernel<Functions>* best = kernels.data();
  for (const RowKernel<Functions>& kernel : kernels) {
    if (kernel.isa <= isa && kernel.isa > best->isa) best = &kernel;
  }
  return *best;
}

// Rows of one piece of work: about 16 K elements, some microseconds.
inline int64_t RowGrain(int64_t cols) { return cols > 0 ? 1 + 16384 / cols : 1; }

}  // namespace ixc
