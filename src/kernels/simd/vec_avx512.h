// Sixteen floats as one AVX-512 register; see vec_scalar.h for what each function means.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace ixc {
namespace {

struct Vec {
  __m512 v;
};

[[maybe_unused]] inline Vec Set1(float x) { return {_mm512_set1_ps(x)}; }
[[maybe_unused]] inline Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
// Sixteen F16 or BF16 values, not aligned, widened.
[[maybe_unused]] inline Vec LoadHalf(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
[[maybe_unused]] inline Vec LoadBrain(const void* p) {
  const __m256i bits = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
// Sixteen signed bytes, widened.
[[maybe_unused]] inline Vec LoadByte(const void* p) {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
[[maybe_unused]] inline void Store(float* p, Vec x) { _mm512_storeu_ps(p, x.v); }
[[maybe_unused]] inline Vec Add(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec Sub(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec Mul(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec Div(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec MulAdd(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
[[maybe_unused]] inline Vec Max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec Min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
[[maybe_unused]] inline Vec SelectLess(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
[[maybe_unused]] inline Vec Abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
[[maybe_unused]] inline Vec WithSignOf(Vec magnitude, Vec sign) {
  return {_mm512_or_ps(magnitude.v, _mm512_and_ps(_mm512_set1_ps(-0.0f), sign.v))};
}
[[maybe_unused]] inline Vec PowerOfTwo(Vec shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3f800000)))};
}
// Not _mm512_reduce_*: the order of the additions is part of the result.
[[maybe_unused]] inline float Sum(Vec a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
[[maybe_unused]] inline float Largest(Vec a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

}  // namespace
}  // namespace ixc
