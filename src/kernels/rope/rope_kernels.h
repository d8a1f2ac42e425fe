// What the files of one instruction set give to the rotary embedding.
#pragma once

#include <stdint.h>

namespace ixc {

// All heads of one row.
struct RopeRow {
  float* x;  // head h at x + 2 * half * h
  const float* cos;
  const float* sin;
  int num_heads;
  int half;  // head_dim / 2
};

struct RopeIsa {
  void (*rotate)(const RopeRow& row);
};

extern const RopeIsa kRopeScalar;
extern const RopeIsa kRopeAvx2;
extern const RopeIsa kRopeAvx512;

}  // namespace ixc
