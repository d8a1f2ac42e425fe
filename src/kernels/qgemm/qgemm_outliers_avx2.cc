// What nibbles cannot hold of w8a8s, 0.7 % of the weights, on AVX2 and many rows:
//
//   acc[row][output] += sum over outliers (i, rest) of the output: rest * q[row][i]
//
// Two outliers of an output at a time, a vpmaddwd for each six rows: their activations lie side by
// side in a packed tile. The sums of a column stay in L1 until all its outliers are in.
//
// It takes a sixth of a product's time, half of that for lines of activations to come from L2, one
// for nearly every six rows. Taking one k block for all outputs of a panel before the next made no
// difference.
#include <immintrin.h>

#include "kernels/qgemm/qgemm_kernels.h"

namespace ixc {

namespace {

constexpr int kTileRows = 6;

inline __m256i Load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void Store256(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// One outlier among the packed activations: those of its input and the three beside it, [6][4], and
// how far on they lie in the next tile.
struct OutlierPlace {
  const uint8_t* activations;
  int64_t step;
  int byte;  // of the four
};

inline OutlierPlace PlaceOf(const QGemmOutliers& call, uint32_t entry) {
  const int64_t i = entry >> 8;
  const int64_t k0 = i / kQuantBlockK * kQuantBlockK;
  const int64_t depth = call.k - k0 < kQuantBlockK ? call.k - k0 : kQuantBlockK;
  const int64_t start = PackedAt(call.num_tiles, call.first_tile, k0, depth);
  return {call.a + (start + (i - k0) / 4 * 4) * kTileRows, depth * kTileRows,
          static_cast<int>(i % 4)};
}

// For vpshufb: byte `byte` of each four to byte `to`, zeros elsewhere.
inline __m256i MoveByte(int byte, int to) {
  const __m256i fours = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c,  //
                                          0, 0x04040404, 0x08080808, 0x0c0c0c0c);
  const int keep = 0xff << (8 * to);
  const __m256i from = _mm256_or_si256(fours, _mm256_set1_epi32(byte << (8 * to)));
  return _mm256_or_si256(from, _mm256_set1_epi32(~keep & static_cast<int>(0x80808080)));
}

// Activations of both outliers become 16-bit pairs by way of the upper bytes. A load takes 32 bytes
// for the 24 of six rows; behind the last packed tile lie the scales of rows.
inline void AddPair(const OutlierPlace& first, const OutlierPlace& second, uint32_t weights,
                    int num_tiles, int32_t (*sums)[8]) {
  const __m256i move_first = MoveByte(first.byte, 1), move_second = MoveByte(second.byte, 3);
  const __m256i pair = _mm256_set1_epi32(static_cast<int>(weights));
  const uint8_t *x = first.activations, *y = second.activations;
  for (int t = 0; t < num_tiles; ++t, x += first.step, y += second.step) {
    const __m256i both = _mm256_or_si256(_mm256_shuffle_epi8(Load256(x), move_first),
                                         _mm256_shuffle_epi8(Load256(y), move_second));
    const __m256i products = _mm256_madd_epi16(_mm256_srai_epi16(both, 8), pair);
    Store256(sums[t], _mm256_add_epi32(Load256(sums[t]), products));
  }
}

inline uint32_t ValueOf(uint32_t entry) {
  return static_cast<uint32_t>(static_cast<int8_t>(entry & 0xff));
}

}  // namespace

void AddOutliersAvx2(const QGemmOutliers& call) {
  alignas(32) int32_t sums[kOutlierBlockRows / kTileRows][8] = {};
  const int num_tiles = (call.rows + kTileRows - 1) / kTileRows;
  for (int64_t at = 0; at < call.count; at += 2) {
    const uint32_t* entry = call.entries + at;
    const bool alone = at + 1 == call.count;
    const OutlierPlace first = PlaceOf(call, entry[0]);
    const OutlierPlace second = alone ? first : PlaceOf(call, entry[1]);
    const uint32_t upper = alone ? 0 : ValueOf(entry[1]) << 16;
    AddPair(first, second, (ValueOf(entry[0]) & 0xffff) | upper, num_tiles, sums);
  }
  int32_t* acc = call.acc;
  for (int t = 0; t < num_tiles; ++t) {
    const int left = call.rows - t * kTileRows;
    for (int r = 0; r < (left < kTileRows ? left : kTileRows); ++r, acc += call.acc_stride) {
      *acc += sums[t][r];
    }
  }
}

}  // namespace ixc
