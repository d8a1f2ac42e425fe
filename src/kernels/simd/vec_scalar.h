// Sixteen floats as one value, in portable C++. See math.h for why every instruction set has 16.
//
// The three vec_*.h files define the same names; a kernel file gets one of them by vec.h, so
// everything lives in the anonymous namespace: a copy compiled for wide instructions must never be
// the one the linker keeps for everyone.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace ixc {
namespace {

struct Vec {
  float v[16];
};

#define IXC_EACH_LANE for (int j = 0; j < 16; ++j)

[[maybe_unused]] inline Vec Set1(float x) {
  Vec r;
  IXC_EACH_LANE r.v[j] = x;
  return r;
}
[[maybe_unused]] inline Vec Load(const float* p) {
  Vec r;
  std::memcpy(r.v, p, sizeof(r.v));
  return r;
}
[[maybe_unused]] inline void Store(float* p, const Vec& x) { std::memcpy(p, x.v, sizeof(x.v)); }

[[maybe_unused]] inline Vec Add(Vec a, const Vec& b) {
  IXC_EACH_LANE a.v[j] += b.v[j];
  return a;
}
[[maybe_unused]] inline Vec Sub(Vec a, const Vec& b) {
  IXC_EACH_LANE a.v[j] -= b.v[j];
  return a;
}
[[maybe_unused]] inline Vec Mul(Vec a, const Vec& b) {
  IXC_EACH_LANE a.v[j] *= b.v[j];
  return a;
}
[[maybe_unused]] inline Vec Div(Vec a, const Vec& b) {
  IXC_EACH_LANE a.v[j] /= b.v[j];
  return a;
}
// a * b + c; two roundings here, one on the instruction sets that have FMA.
[[maybe_unused]] inline Vec MulAdd(Vec a, const Vec& b, const Vec& c) {
  IXC_EACH_LANE a.v[j] = a.v[j] * b.v[j] + c.v[j];
  return a;
}
// Of a NaN and a number: the second argument.
[[maybe_unused]] inline Vec Max(const Vec& a, Vec b) {
  IXC_EACH_LANE b.v[j] = a.v[j] > b.v[j] ? a.v[j] : b.v[j];
  return b;
}
[[maybe_unused]] inline Vec Min(const Vec& a, Vec b) {
  IXC_EACH_LANE b.v[j] = a.v[j] < b.v[j] ? a.v[j] : b.v[j];
  return b;
}
// a < b ? x : y
[[maybe_unused]] inline Vec SelectLess(const Vec& a, const Vec& b, const Vec& x, Vec y) {
  IXC_EACH_LANE y.v[j] = a.v[j] < b.v[j] ? x.v[j] : y.v[j];
  return y;
}
[[maybe_unused]] inline Vec Abs(Vec a) {
  IXC_EACH_LANE a.v[j] = std::bit_cast<float>(std::bit_cast<uint32_t>(a.v[j]) & 0x7fffffffu);
  return a;
}
// |magnitude| is not taken: magnitude must not be negative.
[[maybe_unused]] inline Vec WithSignOf(Vec magnitude, const Vec& sign) {
  IXC_EACH_LANE magnitude.v[j] = std::bit_cast<float>(
      std::bit_cast<uint32_t>(magnitude.v[j]) | (std::bit_cast<uint32_t>(sign.v[j]) & 0x80000000u));
  return magnitude;
}
// 2^n from the bits of 1.5 * 2^23 + n, -126 <= n <= 127.
[[maybe_unused]] inline Vec PowerOfTwo(Vec shifted) {
  IXC_EACH_LANE shifted.v[j] =
      std::bit_cast<float>((std::bit_cast<uint32_t>(shifted.v[j]) << 23) + 0x3f800000u);
  return shifted;
}

#undef IXC_EACH_LANE

// Pairwise by halves: lane j + lane j + 8, then + 4, + 2, + 1.
[[maybe_unused]] inline float Sum(Vec a) {
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) a.v[j] += a.v[j + half];
  }
  return a.v[0];
}
[[maybe_unused]] inline float Largest(Vec a) {
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) a.v[j] = a.v[j] > a.v[j + half] ? a.v[j] : a.v[j + half];
  }
  return a.v[0];
}

}  // namespace
}  // namespace ixc
