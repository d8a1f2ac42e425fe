// AVX2 rows. Both passes turn bytes into 16-bit pairs (tap t, tap t + 1) and multiply-and-add them
// with the pair's low and high weights.
#include <immintrin.h>

#include "kernels/resize/resize_kernels.h"

namespace ixc {

namespace {

constexpr int kRounding = 1 << (kWeightBits - 1);

// (low + 2^15 high + 2^21) >> 22, eight sums.
__m256i Finish(__m256i low, __m256i high) {
  const __m256i sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, kWeightLowBits));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kRounding)), kWeightBits);
}

// Two neighbouring taps' weights in every 32-bit element.
__m256i WeightPair(const int16_t* weights) {
  int32_t pair;
  __builtin_memcpy(&pair, weights, sizeof pair);
  return _mm256_set1_epi32(pair);
}

void Horizontal(const ResizeRowArgs& args) {
  // Four RGB pixels -> 16-bit (r0 r1)(g0 g1)(b0 b1)(0 0) in the lower half, pixels 2, 3 in the
  // upper.
  const __m256i spread =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                       -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  // A TapGroup in both halves -> its first pair of weights below, its second above.
  const __m256i low_pairs = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5,
                                             6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
  const __m256i high_pairs = _mm256_add_epi8(low_pairs, _mm256_set1_epi8(8));
  const TapGroup* group = args.groups;
  for (int i = 0; i < args.out_width; ++i) {
    const uint8_t* in = args.in + int64_t{3} * args.first[i];
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (int g = 0; g < args.groups_per_pixel; ++g, ++group, in += 3 * kTapGroup) {
      const __m256i bytes =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)));
      const __m256i weights =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(group)));
      const __m256i pixels = _mm256_shuffle_epi8(bytes, spread);
      low =
          _mm256_add_epi32(low, _mm256_madd_epi16(pixels, _mm256_shuffle_epi8(weights, low_pairs)));
      high = _mm256_add_epi32(high,
                              _mm256_madd_epi16(pixels, _mm256_shuffle_epi8(weights, high_pairs)));
    }
    // The halves hold different taps of the same three sums.
    const __m256i swapped_low = _mm256_permute2x128_si256(low, low, 1);
    const __m256i swapped_high = _mm256_permute2x128_si256(high, high, 1);
    const __m128i rgb = _mm256_castsi256_si128(
        Finish(_mm256_add_epi32(low, swapped_low), _mm256_add_epi32(high, swapped_high)));
    const __m128i words = _mm_packs_epi32(rgb, rgb);
    const int packed = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(args.out + int64_t{3} * i, &packed, 3);
  }
}

void Vertical(const ResizeColumnArgs& args) {
  constexpr int64_t kBlock = 16;
  int64_t b = 0;
  for (; b + kBlock <= args.num_bytes; b += kBlock) {
    __m256i low[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int t = 0; t < kTapGroup * args.num_groups; t += 2) {
      const TapGroup& group = args.groups[t / kTapGroup];
      const __m256i low_weights = WeightPair(group.low + t % kTapGroup);
      const __m256i high_weights = WeightPair(group.high + t % kTapGroup);
      const __m128i r0 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(args.rows[t] + b));
      const __m128i r1 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(args.rows[t + 1] + b));
      const __m256i pairs[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(r0, r1)),
                                _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(r0, r1))};
      for (int h = 0; h < 2; ++h) {
        low[h] = _mm256_add_epi32(low[h], _mm256_madd_epi16(pairs[h], low_weights));
        high[h] = _mm256_add_epi32(high[h], _mm256_madd_epi16(pairs[h], high_weights));
      }
    }
    // Packing works within halves: put the 64-bit quarters back into order.
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(Finish(low[0], high[0]), Finish(low[1], high[1])), 0xd8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(args.out + b), bytes);
  }
  for (; b < args.num_bytes; ++b) {
    int32_t sum = kRounding;
    for (int t = 0; t < kTapGroup * args.num_groups; ++t) {
      const TapGroup& group = args.groups[t / kTapGroup];
      const int tap = t % kTapGroup;
      sum += (group.high[tap] * (1 << kWeightLowBits) + group.low[tap]) * args.rows[t][b];
    }
    sum >>= kWeightBits;
    args.out[b] = static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

}  // namespace

const ResizeIsa kResizeAvx2 = {Horizontal, Vertical};

}  // namespace ixc
