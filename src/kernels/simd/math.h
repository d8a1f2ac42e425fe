// exp, sigmoid and erf on 16 lanes, in terms of Vec.
//
// Every instruction set works on 16 lanes and sums them in the same tree, so that AVX2 and AVX-512
// give the same bits; the scalar set differs by its unfused multiply-adds only.
#pragma once

#include "kernels/simd/vec.h"

namespace ixc {
namespace {

// e^x for -87.33 <= x <= 88.37, at most 1.02 units in the last place off: x = n ln 2 + r and
// e^x = 2^n e^r with |r| <= ln 2 / 2. e^r = 1 + r + r^2 P(r), P of degree 4 fitted to a relative
// error of 3.2e-9 (minimax). Outside that range anything but a trap; NaN stays NaN.
[[maybe_unused]] inline Vec ExpInRange(Vec x) {
  const Vec magic = Set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = MulAdd(x, Set1(1.44269504f), magic);
  const Vec n = Sub(shifted, magic);
  // ln 2 in two parts, the first so short that n times it is exact.
  const Vec r = MulAdd(n, Set1(2.12194440e-4f), MulAdd(n, Set1(-0.693359375f), x));
  Vec p = Set1(1.381388479e-3f);
  p = MulAdd(p, r, Set1(8.369063875e-3f));
  p = MulAdd(p, r, Set1(4.166842176e-2f));
  p = MulAdd(p, r, Set1(1.666651776e-1f));
  p = MulAdd(p, r, Set1(4.999999325e-1f));
  p = Add(MulAdd(Mul(p, r), r, r), Set1(1.0f));
  return Mul(p, PowerOfTwo(shifted));
}

// e^x for x <= 0 or NaN; 0 below -87.33, where results would be subnormal.
[[maybe_unused]] inline Vec ExpNotPositive(Vec x) {
  return SelectLess(x, Set1(-87.33f), Set1(0.0f), ExpInRange(x));
}

// e^x; infinity above 88.37.
[[maybe_unused]] inline Vec Exp(Vec x) {
  return SelectLess(Set1(88.37f), x, Set1(__builtin_inff()), ExpNotPositive(x));
}

// 1 / (1 + e^-x)
[[maybe_unused]] inline Vec Sigmoid(Vec x) {
  const Vec one = Set1(1.0f);
  return Div(one, Add(one, Exp(Sub(Set1(0.0f), x))));
}

// erf(x), absolute error below 1.4e-7. Minimax fits: x P(x^2) up to |x| = 1 (6e-10 before
// rounding), beyond it 1 - e^(-x^2) Q(t), t = 1 / (1 + |x| / 2) (2e-10); from |x| = 4 on it rounds
// to 1.
[[maybe_unused]] inline Vec Erf(Vec x) {
  const Vec a = Abs(x);
  const Vec s = Mul(x, x);
  Vec p = Set1(7.647140835e-5f);
  p = MulAdd(p, s, Set1(-7.942364110e-4f));
  p = MulAdd(p, s, Set1(5.179750574e-3f));
  p = MulAdd(p, s, Set1(-2.684859197e-2f));
  p = MulAdd(p, s, Set1(1.128343014e-1f));
  p = MulAdd(p, s, Set1(-3.761260599e-1f));
  p = MulAdd(p, s, Set1(1.128379158f));
  const Vec t = Div(Set1(1.0f), MulAdd(a, Set1(0.5f), Set1(1.0f)));
  Vec q = Set1(-5.100569986e-2f);
  q = MulAdd(q, t, Set1(-5.372830848e-2f));
  q = MulAdd(q, t, Set1(3.813363578e-1f));
  q = MulAdd(q, t, Set1(1.312869226e-1f));
  q = MulAdd(q, t, Set1(3.126739603e-1f));
  q = MulAdd(q, t, Set1(2.789175620e-1f));
  const Vec tail = Mul(Exp(Sub(Set1(0.0f), s)), Mul(q, t));
  const Vec large = WithSignOf(Sub(Set1(1.0f), tail), x);
  return SelectLess(a, Set1(1.0f), Mul(x, p), large);
}

// z * sigmoid(z)
[[maybe_unused]] inline Vec Silu(Vec z) { return Mul(z, Sigmoid(z)); }
// z * sigmoid(1.702 z)
[[maybe_unused]] inline Vec QuickGelu(Vec z) { return Mul(z, Sigmoid(Mul(z, Set1(1.702f)))); }
// 0.5 z (1 + erf(z / sqrt 2))
[[maybe_unused]] inline Vec Gelu(Vec z) {
  const Vec erf = Erf(Mul(z, Set1(0.707106781f)));
  return Mul(Mul(z, Set1(0.5f)), Add(Set1(1.0f), erf));
}

}  // namespace
}  // namespace ixc
