// Limits on AVX-512. Twelve sums hide the latency of every instruction here; the empty asm keeps
// the compiler from folding, reassociating or dropping them.
#include <immintrin.h>

#include "kernels/limits/limits_kernels.h"

namespace ixc {

namespace {

constexpr int kSums = 12;
constexpr int kBytes = 64;  // of a register

uint64_t Read(const void* memory, size_t bytes) {
  constexpr size_t kStream = kReadPiece / 4 / sizeof(__m512i);
  const __m512i* at = static_cast<const __m512i*>(memory);
  __m512i sum[4] = {};
  for (size_t piece = 0; piece < bytes / kReadPiece; ++piece, at += 4 * kStream) {
    for (size_t i = 0; i < kStream; ++i) {
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(at + j * kStream + i));
      }
    }
  }
  const __m512i all =
      _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(all)));
}

void Fp32(int64_t turns) {
  __m512 sum[kSums];
  __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-9f);
  for (auto& s : sum) s = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      s = _mm512_fmadd_ps(s, x, y);
      asm volatile("" : "+v"(s));
    }
  }
}

void S16(int64_t turns) {
  __m512i sum[kSums] = {};
  __m512i x = _mm512_set1_epi16(3), y = _mm512_set1_epi16(-2);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+v"(x));
      s = _mm512_add_epi32(s, _mm512_madd_epi16(x, y));
      asm volatile("" : "+v"(s));
    }
  }
}

void U8S8(int64_t turns) {
  __m512i sum[kSums] = {};
  __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(-2), ones = _mm512_set1_epi16(1);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+v"(x));
      __m512i pairs = _mm512_maddubs_epi16(x, y);
      asm volatile("" : "+v"(pairs));
      s = _mm512_add_epi32(s, _mm512_madd_epi16(pairs, ones));
      asm volatile("" : "+v"(s));
    }
  }
}

void U8S4(int64_t turns) {
  __m512i sum[kSums] = {};
  __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(-2);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      asm volatile("" : "+v"(x));
      s = _mm512_add_epi16(s, _mm512_maddubs_epi16(x, y));
      asm volatile("" : "+v"(s));
    }
  }
}

__attribute__((target("avx512vnni"))) void Vnni(int64_t turns) {
  __m512i sum[kSums] = {};
  __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(-2);
  for (int64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) {
      s = _mm512_dpbusd_epi32(s, x, y);
      asm volatile("" : "+v"(s));
    }
  }
}

}  // namespace

const LimitIsa kLimitAvx512 = {
    Read,
    {{"limit.fp32", "GFLOP/s", kSums* kBytes / 4 * 2, Fp32},
     {"limit.s16", "GOP/s", kSums* kBytes / 2 * 2, S16},
     {"limit.u8s8", "GOP/s", kSums* kBytes * 2, U8S8},
     {"limit.u8s4", "GOP/s", kSums* kBytes * 2, U8S4},
     {"limit.vnni", "GOP/s", kSums* kBytes * 2, Vnni}},
};

}  // namespace ixc
