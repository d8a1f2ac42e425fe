// Packing of panels on AVX2: blocks of 16 rows by 16 inputs are converted if need be and
// transposed in registers. Twice as wide registers would not help: this runs at memory speed.
#include "kernels/gemm/gemm_rows.h"

namespace ixc {

namespace {

inline void StoreNarrow(float* p, Vec x) { Store(p, x); }
inline void StoreNarrow(HalfBits* p, Vec x) { StoreHalf(p, x); }
inline void StoreNarrow(BrainBits* p, Vec x) { StoreBrain(p, x); }

// to[i * 16 + j] = rows[j][i] for 8 by 8 elements of 16 bits.
template <typename T>
inline void Transpose8x8(const T* const* rows, T* to) {
  __m128i r[8], s[8];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) r[j] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[j]));
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // rows j and j + 4 interleaved
    s[2 * j] = _mm_unpacklo_epi16(r[j], r[j + 4]);
    s[2 * j + 1] = _mm_unpackhi_epi16(r[j], r[j + 4]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // rows of the same parity
    r[2 * j] = _mm_unpacklo_epi16(s[j], s[j + 4]);
    r[2 * j + 1] = _mm_unpackhi_epi16(s[j], s[j + 4]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m128i lo = _mm_unpacklo_epi16(r[j], r[j + 4]);
    const __m128i hi = _mm_unpackhi_epi16(r[j], r[j + 4]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * j * 16), lo);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (2 * j + 1) * 16), hi);
  }
}

// The same for floats: 4 by 4.
inline void Transpose4x4(const float* const* rows, float* to) {
  __m128 a = _mm_loadu_ps(rows[0]), b = _mm_loadu_ps(rows[1]);
  __m128 c = _mm_loadu_ps(rows[2]), d = _mm_loadu_ps(rows[3]);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + 16, b);
  _mm_storeu_ps(to + 32, c);
  _mm_storeu_ps(to + 48, d);
}

// A block of 16 rows by 16 inputs, from rows of the panel's own type.
inline void TransposeBlock(const float* const* rows, float* to) {
  const float* shifted[16];
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 16; ++j) shifted[j] = rows[j] + i;
    for (int j = 0; j < 16; j += 4) Transpose4x4(shifted + j, to + i * 16 + j);
  }
}
template <typename T>
inline void TransposeBlock(const T* const* rows, T* to) {
  const T* shifted[16];
  for (int i = 0; i < 16; i += 8) {
    for (int j = 0; j < 16; ++j) shifted[j] = rows[j] + i;
    Transpose8x8(shifted, to + i * 16);
    Transpose8x8(shifted + 8, to + i * 16 + 8);
  }
}

// The block from input i on; all 16 inputs exist.
template <typename From, typename To>
inline void PackBlock(const PackPanel& call, int64_t i, To* to) {
  static const From zeros[16] = {};
  To converted[16][16];
  const To* rows[16];
  for (int j = 0; j < 16; ++j) {
    const void* row = call.rows[j];
    const From* from = row == nullptr ? zeros : static_cast<const From*>(row) + i;
    if constexpr (__is_same(From, To)) {
      rows[j] = from;
    } else {
      StoreNarrow(converted[j], LoadWide(from));
      rows[j] = converted[j];
    }
  }
  TransposeBlock(rows, to);
}

template <typename From, typename To>
void PackAll(const PackPanel& call) {
  To* panel = static_cast<To*>(call.panel);
  int64_t i = 0;
  for (; i + 16 <= call.k; i += 16) PackBlock<From, To>(call, i, panel + i * 16);
  const int64_t rest = call.k - i;
  if (rest == 0) return;
  From last[16][16] = {};
  To block[256];
  PackPanel padded = call;
  for (int j = 0; j < 16; ++j) {
    padded.rows[j] = last[j];
    if (call.rows[j] == nullptr) continue;
    __builtin_memcpy(last[j], static_cast<const From*>(call.rows[j]) + i,
                     static_cast<size_t>(rest) * sizeof(From));
  }
  PackBlock<From, To>(padded, 0, block);
  __builtin_memcpy(panel + i * 16, block, static_cast<size_t>(rest) * 16 * sizeof(To));
}

template <typename From>
void PackFrom(const PackPanel& call) {
  if (call.to == kTypeF32) return PackAll<From, float>(call);
  if (call.to == kTypeF16) return PackAll<From, HalfBits>(call);
  PackAll<From, BrainBits>(call);
}

}  // namespace

void PackPanelAvx2(const PackPanel& call) {
  if (call.from == kTypeF32) return PackFrom<float>(call);
  if (call.from == kTypeF16) return PackFrom<HalfBits>(call);
  PackFrom<BrainBits>(call);
}

}  // namespace ixc
