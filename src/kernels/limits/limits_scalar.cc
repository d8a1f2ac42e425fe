// Limits of the portable build: SSE2, which every x86-64 has.
#include <emmintrin.h>

#include "kernels/limits/limits_kernels.h"

namespace ixc {

namespace {

uint64_t Read(const void* memory, size_t bytes) {
  constexpr size_t kStream = kReadPiece / 4 / sizeof(__m128i);
  const __m128i* at = static_cast<const __m128i*>(memory);
  __m128i sum[4] = {};
  for (size_t piece = 0; piece < bytes / kReadPiece; ++piece, at += 4 * kStream) {
    for (size_t i = 0; i < kStream; ++i) {
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        sum[j] = _mm_xor_si128(sum[j], _mm_load_si128(at + j * kStream + i));
      }
    }
  }
  const __m128i all = _mm_xor_si128(_mm_xor_si128(sum[0], sum[1]), _mm_xor_si128(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(all));
}

void Fp32(int64_t turns) {
  __m128 sum[8];
  const __m128 x = _mm_set1_ps(0.999f), y = _mm_set1_ps(1e-9f);
  for (__m128& s : sum) s = _mm_set1_ps(1.0f);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 8
    for (__m128& s : sum) {
      s = _mm_add_ps(_mm_mul_ps(s, x), y);
      asm volatile("" : "+x"(s));
    }
  }
}

}  // namespace

const LimitIsa kLimitScalar = {Read, {{"limit.fp32", "GFLOP/s", 8 * 4 * 2, Fp32}, {}, {}, {}, {}}};

}  // namespace ixc
