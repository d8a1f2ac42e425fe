// Limits on AVX2. Twelve sums hide the latency of every instruction here; the empty asm keeps
// the compiler from folding, reassociating or dropping them.
#include <immintrin.h>

#include "kernels/limits/limits_kernels.h"

namespace ixc {

namespace {

constexpr int kSums = 12;
constexpr int kBytes = 32;  // of a register

uint64_t Read(const void* memory, size_t bytes) {
  constexpr size_t kStream = kReadPiece / 4 / sizeof(__m256i);
  const __m256i* at = static_cast<const __m256i*>(memory);
  __m256i sum[4] = {};
  for (size_t piece = 0; piece < bytes / kReadPiece; ++piece, at += 4 * kStream) {
    for (size_t i = 0; i < kStream; ++i) {
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        sum[j] = _mm256_xor_si256(sum[j], _mm256_load_si256(at + j * kStream + i));
      }
    }
  }
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm256_castsi256_si128(all)));
}

void Fp32(int64_t turns) {
  __m256 sum[kSums];
  __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-9f);
  for (auto& s : sum) s = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      s = _mm256_fmadd_ps(s, x, y);
      asm volatile("" : "+x"(s));
    }
  }
}

void S16(int64_t turns) {
  __m256i sum[kSums] = {};
  __m256i x = _mm256_set1_epi16(3), y = _mm256_set1_epi16(-2);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+x"(x));
      s = _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
      asm volatile("" : "+x"(s));
    }
  }
}

void U8S8(int64_t turns) {
  __m256i sum[kSums] = {};
  __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(-2), ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+x"(x));
      __m256i pairs = _mm256_maddubs_epi16(x, y);
      asm volatile("" : "+x"(pairs));
      s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, ones));
      asm volatile("" : "+x"(s));
    }
  }
}

void U8S4(int64_t turns) {
  __m256i sum[kSums] = {};
  __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(-2);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+x"(x));
      s = _mm256_add_epi16(s, _mm256_maddubs_epi16(x, y));
      asm volatile("" : "+x"(s));
    }
  }
}

}  // namespace

const LimitIsa kLimitAvx2 = {
    Read,
    {{"limit.fp32", "GFLOP/s", kSums* kBytes / 4 * 2, Fp32},
     {"limit.s16", "GOP/s", kSums* kBytes / 2 * 2, S16},
     {"limit.u8s8", "GOP/s", kSums* kBytes * 2, U8S8},
     {"limit.u8s4", "GOP/s", kSums* kBytes * 2, U8S4},
     {}},
};

}  // namespace ixc
