// What the files of one instruction set give to the normalisations.
#pragma once

#include <stdint.h>

namespace ixc {

// One row; y may be x. bias is for LayerNorm only.
struct NormRow {
  const float* x;
  const float* weight;
  const float* bias;
  float* y;
  int64_t cols;
  float eps;
};

struct NormIsa {
  void (*rms_norm)(const NormRow& row);
  void (*layer_norm)(const NormRow& row);
};

extern const NormIsa kNormScalar;
extern const NormIsa kNormAvx2;
extern const NormIsa kNormAvx512;

}  // namespace ixc
