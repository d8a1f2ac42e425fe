// AVX-512 rows: as AVX2 with two output pixels at once in the horizontal pass, 32 bytes at once and
// a masked end in the vertical one.
#include <immintrin.h>

#include "kernels/resize/resize_kernels.h"

namespace ixc {

namespace {

// (low + 2^15 high + 2^21) >> 22 clipped to a byte, sixteen sums.
__m128i FinishBytes(__m512i low, __m512i high) {
  const __m512i rounding = _mm512_set1_epi32(1 << (kWeightBits - 1));
  const __m512i sum = _mm512_add_epi32(low, _mm512_slli_epi32(high, kWeightLowBits));
  const __m512i value = _mm512_srai_epi32(_mm512_add_epi32(sum, rounding), kWeightBits);
  return _mm512_cvtusepi32_epi8(_mm512_max_epi32(value, _mm512_setzero_si512()));
}

// 16 bytes from `first` twice, then 16 bytes from `second` twice.
__m512i LoadTwice(const void* first, const void* second) {
  const __m128i a = _mm_loadu_si128(static_cast<const __m128i*>(first));
  const __m128i b = _mm_loadu_si128(static_cast<const __m128i*>(second));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(a)),
                            _mm256_broadcastsi128_si256(b), 1);
}

__m512i WeightPair(const int16_t* weights) {
  int32_t pair;
  __builtin_memcpy(&pair, weights, sizeof pair);
  return _mm512_set1_epi32(pair);
}

void Horizontal(const ResizeRowArgs& args) {
  // As in resize_avx2.cc, for two output pixels: one in the lower 256 bits, one in the upper.
  const __m512i spread = _mm512_broadcast_i64x4(
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                       -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  const __m512i low_pairs =
      _mm512_broadcast_i64x4(_mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5,
                                              6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
  const __m512i high_pairs = _mm512_add_epi8(low_pairs, _mm512_set1_epi8(8));
  for (int i = 0; i < args.out_width; i += 2) {
    const int j = i + 1 < args.out_width ? i + 1 : i;  // the last one of an odd number: twice
    const uint8_t* in_i = args.in + int64_t{3} * args.first[i];
    const uint8_t* in_j = args.in + int64_t{3} * args.first[j];
    const TapGroup* group_i = args.groups + int64_t{i} * args.groups_per_pixel;
    const TapGroup* group_j = args.groups + int64_t{j} * args.groups_per_pixel;
    __m512i low = _mm512_setzero_si512();
    __m512i high = _mm512_setzero_si512();
    for (int g = 0; g < args.groups_per_pixel; ++g) {
      const int64_t offset = int64_t{3} * kTapGroup * g;
      const __m512i pixels = _mm512_shuffle_epi8(LoadTwice(in_i + offset, in_j + offset), spread);
      const __m512i weights = LoadTwice(group_i + g, group_j + g);
      low =
          _mm512_add_epi32(low, _mm512_madd_epi16(pixels, _mm512_shuffle_epi8(weights, low_pairs)));
      high = _mm512_add_epi32(high,
                              _mm512_madd_epi16(pixels, _mm512_shuffle_epi8(weights, high_pairs)));
    }
    // 128-bit quarters: taps 0, 1 and 2, 3 of pixel i, then of pixel j.
    const __m512i low_sum = _mm512_add_epi32(low, _mm512_shuffle_i32x4(low, low, 0xb1));
    const __m512i high_sum = _mm512_add_epi32(high, _mm512_shuffle_i32x4(high, high, 0xb1));
    const __m128i bytes = FinishBytes(low_sum, high_sum);
    const int rgb_i = _mm_extract_epi32(bytes, 0);
    const int rgb_j = _mm_extract_epi32(bytes, 2);
    __builtin_memcpy(args.out + int64_t{3} * i, &rgb_i, 3);
    __builtin_memcpy(args.out + int64_t{3} * j, &rgb_j, 3);
  }
}

void Vertical(const ResizeColumnArgs& args) {
  constexpr int64_t kBlock = 32;
  for (int64_t b = 0; b < args.num_bytes; b += kBlock) {
    const int64_t left = args.num_bytes - b;
    const __mmask32 mask = left >= kBlock ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
    __m512i low[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i high[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int t = 0; t < kTapGroup * args.num_groups; t += 2) {
      const TapGroup& group = args.groups[t / kTapGroup];
      const __m512i low_weights = WeightPair(group.low + t % kTapGroup);
      const __m512i high_weights = WeightPair(group.high + t % kTapGroup);
      const __m256i r0 = _mm256_maskz_loadu_epi8(mask, args.rows[t] + b);
      const __m256i r1 = _mm256_maskz_loadu_epi8(mask, args.rows[t + 1] + b);
      const __m512i pairs[2] = {_mm512_cvtepu8_epi16(_mm256_unpacklo_epi8(r0, r1)),
                                _mm512_cvtepu8_epi16(_mm256_unpackhi_epi8(r0, r1))};
      for (int h = 0; h < 2; ++h) {
        low[h] = _mm512_add_epi32(low[h], _mm512_madd_epi16(pairs[h], low_weights));
        high[h] = _mm512_add_epi32(high[h], _mm512_madd_epi16(pairs[h], high_weights));
      }
    }
    // Unpacking worked within 128-bit halves: bytes 0-7 and 16-23 here, 8-15 and 24-31 there.
    const __m128i even = FinishBytes(low[0], high[0]);
    const __m128i odd = FinishBytes(low[1], high[1]);
    const __m256i bytes =
        _mm256_set_m128i(_mm_unpackhi_epi64(even, odd), _mm_unpacklo_epi64(even, odd));
    _mm256_mask_storeu_epi8(args.out + b, mask, bytes);
  }
}

}  // namespace

const ResizeIsa kResizeAvx512 = {Horizontal, Vertical};

}  // namespace ixc
