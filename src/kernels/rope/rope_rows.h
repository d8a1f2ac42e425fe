// The rotation of one row, in terms of Vec. Products and sums are rounded one by one, as the
// reference does.
#pragma once

#include "kernels/rope/rope_kernels.h"
#include "kernels/simd/vec.h"

namespace ixc {
namespace {

inline void RotateHead(float* x, const float* cos, const float* sin, int half) {
  int d = 0;
  for (; d + 16 <= half; d += 16) {
    const Vec a = Load(x + d), b = Load(x + half + d);
    const Vec c = Load(cos + d), s = Load(sin + d);
    Store(x + d, Sub(Mul(a, c), Mul(b, s)));
    Store(x + half + d, Add(Mul(b, c), Mul(a, s)));
  }
  for (; d < half; ++d) {
    const float a = x[d], b = x[half + d];
    x[d] = a * cos[d] - b * sin[d];
    x[half + d] = b * cos[d] + a * sin[d];
  }
}

inline void RotateRow(const RopeRow& row) {
  for (int head = 0; head < row.num_heads; ++head) {
    RotateHead(row.x + int64_t{2} * row.half * head, row.cos, row.sin, row.half);
  }
}

}  // namespace
}  // namespace ixc
