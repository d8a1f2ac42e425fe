// What the files of one instruction set give to the element-wise steps.
#pragma once

#include <stdint.h>

namespace ixc {

struct ActivationIsa {
  // out[i] = silu(gate[i]) * up[i]; out may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, float* out, int64_t count);
  // y[i] += x[i]
  void (*add)(const float* x, float* y, int64_t count);
};

extern const ActivationIsa kActivationScalar;
extern const ActivationIsa kActivationAvx2;
extern const ActivationIsa kActivationAvx512;

}  // namespace ixc
