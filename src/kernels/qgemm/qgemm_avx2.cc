// Products of integer weights on AVX2: 6 rows by one panel of 16 outputs, 12 sums, 2 registers of
// weights, 1 broadcast of activations and 1 product: 16 of 16.
//
// Bytes (w8a8, w8a8d) go through 16 bits: vpmaddwd on widened weights and activations is exact for
// the full range, where vpmaddubsw would saturate. The slice of a panel is widened once for all row
// tiles of a block.
//
// Nibbles (w8a8s, w4) stay 0 … 15 in bytes: vpmaddubsw with the signed activations gives at most
// 2 x 15 x 128, so eight of them add up exactly in 16 bits and one vpmaddwd widens those. That is
// twice the rate of the 16-bit way.
// Outliers of w8a8s come behind the tiles (qgemm_outliers_avx2.cc).
//
// Empty asm statements keep GCC 12 from reassociating the 16-bit sums and from merging sums that
// start alike: both spill. The 16-bit-pair tile is faster without one in its loop.
//
// Asking for weights 1 or 3 KiB ahead (prefetcht0) in the few-row products made no difference
// beyond the noise of the machine.
#include <immintrin.h>
#include <string.h>

#include "kernels/qgemm/qgemm_rows.h"

namespace ixc {

namespace {

constexpr int kTileRows = 6;

inline __m256i Load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void Store256(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
inline __m256i Broadcast32(const void* p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}
inline __m256 ScalesOf(const uint16_t* scales) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
}
inline __m256i LowNibbles(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
inline __m256i HighNibbles(__m256i v) { return LowNibbles(_mm256_srli_epi16(v, 4)); }

// Four inputs of eight outputs, [8][4] bytes, to two lines of pairs in 16 bits: inputs 0 and 1 at
// `to`, inputs 2 and 3 a line of 64 bytes further on.
inline void WidenEight(__m256i bytes, uint8_t* to) {
  const __m256i pairs_first =
      _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                       0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  const __m256i sorted = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(bytes, pairs_first), 0xd8);
  Store256(to, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(sorted)));
  Store256(to + 64, _mm256_cvtepu8_epi16(_mm256_extracti128_si256(sorted, 1)));
}

void WidenBytes(const uint8_t* from, int64_t k, void* to) {
  auto* line = static_cast<uint8_t*>(to);
  for (int64_t i = 0; i < k; i += 4, from += 64, line += 128) {
    WidenEight(Load256(from), line);
    WidenEight(Load256(from + 32), line + 32);
  }
}

void ExpandNibbles(const uint8_t* from, int64_t k, void* to) {
  auto* line = static_cast<uint8_t*>(to);
  for (int64_t i = 0; i < k; i += 8, from += 64, line += 128) {
    for (int half = 0; half < 64; half += 32) {
      const __m256i both = Load256(from + half);
      Store256(line + half, LowNibbles(both));
      Store256(line + 64 + half, HighNibbles(both));
    }
  }
}

// Zeros that GCC 12 takes for different values: sums with equal starts it copies and spills.
template <int kRows, int kHalves>
inline void ClearSums(__m256i (&sum)[kRows][kHalves]) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int half = 0; half < kHalves; ++half) {
      sum[r][half] = _mm256_setzero_si256();
      asm("" : "+x"(sum[r][half]));
    }
  }
}

template <int kRows>
inline void TileOfPairs(const QGemmTile& call) {
  __m256i sum[kRows][2];
  ClearSums(sum);
  const auto* a = static_cast<const uint8_t*>(call.a);
  const auto* b = static_cast<const uint8_t*>(call.b);
#pragma GCC unroll 2
  for (int64_t i = 0; i < call.k; i += 2, a += 4 * kTileRows, b += 64) {
    const __m256i b0 = Load256(b), b1 = Load256(b + 32);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256i x = Broadcast32(a + 4 * r);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, b0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, b1));
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      int32_t* acc = static_cast<int32_t*>(call.acc) + r * call.acc_stride + 8 * half;
      if (!call.first) sum[r][half] = _mm256_add_epi32(sum[r][half], Load256(acc));
      Store256(acc, sum[r][half]);
    }
  }
}

// 32 inputs in 16 bits, then on top of wide[r][2], int32.
template <int kRows>
inline void AddThirtyTwo(const uint8_t* a, const uint8_t* b, int32_t (*wide)[16]) {
  __m256i sum[kRows][2];
  ClearSums(sum);
#pragma GCC unroll 8
  for (int line = 0; line < 8; ++line) {
    __m256i b0 = Load256(b + 64 * line), b1 = Load256(b + 64 * line + 32);
    asm("" : "+x"(b0), "+x"(b1));
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256i x = Broadcast32(a + 4 * (line * kTileRows + r));
      sum[r][0] = _mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(b0, x));
      sum[r][1] = _mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(b1, x));
      asm("" : "+x"(sum[r][0]), "+x"(sum[r][1]));
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      int32_t* at = wide[r] + 8 * half;
      Store256(at, _mm256_add_epi32(Load256(at), _mm256_madd_epi16(sum[r][half], ones)));
    }
  }
}

template <int kRows>
inline void TileOfGroups(const QGemmTile& call) {
  const auto* a = static_cast<const uint8_t*>(call.a);
  const auto* b = static_cast<const uint8_t*>(call.b);
  const int32_t* x_sums = call.x_sums;
  const uint16_t* scales = call.scales;
  alignas(32) int32_t wide[kRows][16];
  for (int64_t k0 = 0; k0 < call.k; k0 += call.group, x_sums += kTileRows, scales += 16) {
    const int64_t depth = call.k - k0 < call.group ? call.k - k0 : call.group;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256i start = _mm256_set1_epi32(-8 * x_sums[r]);
      Store256(wide[r], start);
      Store256(wide[r] + 8, start);
    }
    for (int64_t i = 0; i < depth; i += 32, a += 32 * kTileRows, b += 512) {
      AddThirtyTwo<kRows>(a, b, wide);
    }
    const __m256 scale[2] = {ScalesOf(scales), ScalesOf(scales + 8)};
    const bool first = call.first && k0 == 0;
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        float* acc = static_cast<float*>(call.acc) + r * call.acc_stride + 8 * half;
        const __m256 before = first ? _mm256_setzero_ps() : _mm256_loadu_ps(acc);
        const __m256 sum = _mm256_cvtepi32_ps(Load256(wide[r] + 8 * half));
        _mm256_storeu_ps(acc, _mm256_fmadd_ps(sum, scale[half], before));
      }
    }
  }
}

template <int kRows>
inline void TileOfNibbles(const QGemmTile& call) {
  const auto* a = static_cast<const uint8_t*>(call.a);
  const auto* b = static_cast<const uint8_t*>(call.b);
  auto* acc = static_cast<int32_t(*)[16]>(call.acc);  // the sums of one panel lie close together
  if (call.first) memset(acc, 0, sizeof(int32_t[kRows][16]));
  for (int64_t i = 0; i < call.k; i += 32, a += 32 * kTileRows, b += 512) {
    AddThirtyTwo<kRows>(a, b, acc);
  }
}

enum Kind { kBytes, kNibbles, kGroupsOfNibbles };

// Finds the tile for call.rows, the largest first: nearly all are that one.
template <Kind kKind, int kRows>
inline void TileOfRows(const QGemmTile& call) {
  if constexpr (kRows > 1) {
    if (call.rows < kRows) return TileOfRows<kKind, kRows - 1>(call);
  }
  if constexpr (kKind == kBytes) {
    TileOfPairs<kRows>(call);
  } else if constexpr (kKind == kNibbles) {
    TileOfNibbles<kRows>(call);
  } else {
    TileOfGroups<kRows>(call);
  }
}

template <Kind kKind>
void Tile(const QGemmTile& call) {
  TileOfRows<kKind, kTileRows>(call);
}

// The few-row products take at most three rows at a time: more would not leave registers for the
// weights, and the second pass over a panel finds it in L2.
constexpr int kRowsAtOnce = 3;

// Bytes of one panel times rows [row, row + kRows): each line gives two sums an output, of inputs 0
// and 1 and of inputs 2 and 3, side by side; they are joined at the end.
template <int kRows>
inline void StreamBytes(const QGemmFewRows& call, int panel, int row) {
  __m256i sum[kRows][4];
  ClearSums(sum);
  const uint8_t* w = call.w + panel * call.panel_bytes;
  const int8_t* x = call.x + row * 4;
  for (int64_t i = 0; i < call.k; i += 4, w += 64, x += 4 * call.rows) {
    __m256i activations[kRows];
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) {
      activations[r] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(Broadcast32(x + 4 * r)));
    }
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const __m256i weights =
          _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * q)));
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r) {
        sum[r][q] = _mm256_add_epi32(sum[r][q], _mm256_madd_epi16(activations[r], weights));
        asm("" : "+x"(sum[r][q]));
      }
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
    int32_t* out = static_cast<int32_t*>(call.out) + (row + r) * call.out_stride + 16 * panel;
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i joined = _mm256_hadd_epi32(sum[r][2 * half], sum[r][2 * half + 1]);
      Store256(out + 8 * half, _mm256_permute4x64_epi64(joined, 0xd8));
    }
  }
}

// 32 inputs of nibbles times kRows rows, in 16 bits, then on top of wide.
template <int kRows>
inline void StreamThirtyTwo(const uint8_t* w, const int8_t* x, int64_t rows,
                            __m256i (&wide)[kRows][2]) {
  __m256i sum[kRows][2];
  ClearSums(sum);
#pragma GCC unroll 4
  for (int line = 0; line < 4; ++line, w += 64, x += 8 * rows) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i both = Load256(w + 32 * half);
      const __m256i low = LowNibbles(both), high = HighNibbles(both);
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r) {
        sum[r][half] =
            _mm256_add_epi16(sum[r][half], _mm256_maddubs_epi16(low, Broadcast32(x + 4 * r)));
        sum[r][half] = _mm256_add_epi16(
            sum[r][half], _mm256_maddubs_epi16(high, Broadcast32(x + 4 * (rows + r))));
        asm("" : "+x"(sum[r][half]));
      }
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      wide[r][half] = _mm256_add_epi32(wide[r][half], _mm256_madd_epi16(sum[r][half], ones));
    }
  }
}

template <int kRows>
inline void StreamNibbles(const QGemmFewRows& call, int panel, int row) {
  __m256i wide[kRows][2];
  ClearSums(wide);
  const uint8_t* w = call.w + panel * call.panel_bytes;
  const int8_t* x = call.x + row * 4;
  for (int64_t i = 0; i < call.k; i += 32, w += 256, x += 32 * call.rows) {
    StreamThirtyTwo<kRows>(w, x, call.rows, wide);
  }
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
    int32_t* out = static_cast<int32_t*>(call.out) + (row + r) * call.out_stride + 16 * panel;
    Store256(out, wide[r][0]);
    Store256(out + 8, wide[r][1]);
  }
}

template <int kRows>
inline void StreamGroups(const QGemmFewRows& call, int panel, int row) {
  const int64_t groups = (call.k + call.group - 1) / call.group;
  const uint16_t* scales = call.scales + panel * groups * 16;
  const uint8_t* w = call.w + panel * call.panel_bytes;
  const int8_t* x = call.x + row * 4;
  __m256 acc[kRows][2];
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
  for (int64_t g = 0; g < groups; ++g, scales += 16) {
    const int64_t k0 = g * call.group;
    const int64_t depth = call.k - k0 < call.group ? call.k - k0 : call.group;
    __m256i wide[kRows][2];
#pragma GCC unroll 3
    for (int r = 0; r < kRows; ++r) {
      wide[r][0] = wide[r][1] = _mm256_set1_epi32(-8 * call.x_sums[g * call.rows + row + r]);
    }
    for (int64_t i = 0; i < depth; i += 32, w += 256, x += 32 * call.rows) {
      StreamThirtyTwo<kRows>(w, x, call.rows, wide);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256 scale = ScalesOf(scales + 8 * half);
#pragma GCC unroll 3
      for (int r = 0; r < kRows; ++r) {
        acc[r][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(wide[r][half]), scale, acc[r][half]);
      }
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < kRows; ++r) {
    float* out = static_cast<float*>(call.out) + (row + r) * call.out_stride + 16 * panel;
    _mm256_storeu_ps(out, acc[r][0]);
    _mm256_storeu_ps(out + 8, acc[r][1]);
  }
}

template <Kind kKind, int kRows>
inline void StreamRows(const QGemmFewRows& call, int panel, int row) {
  if constexpr (kKind == kBytes) {
    StreamBytes<kRows>(call, panel, row);
  } else if constexpr (kKind == kNibbles) {
    StreamNibbles<kRows>(call, panel, row);
  } else {
    StreamGroups<kRows>(call, panel, row);
  }
}

template <Kind kKind>
void FewRows(const QGemmFewRows& call) {
  for (int panel = 0; panel < call.panels; ++panel) {
    int row = 0;
    for (; row + kRowsAtOnce <= call.rows; row += kRowsAtOnce) {
      StreamRows<kKind, kRowsAtOnce>(call, panel, row);
    }
    if (call.rows - row == 2) StreamRows<kKind, 2>(call, panel, row);
    if (call.rows - row == 1) StreamRows<kKind, 1>(call, panel, row);
  }
}

}  // namespace

const QGemmCode kQGemmW8Avx2 = {
    kTileRows, 1, 2, 128, 2, WidenBytes, Tile<kBytes>, FewRows<kBytes>, QuantizeRow, QFinishRow};
const QGemmCode kQGemmW8SAvx2 = {kTileRows,
                                 1,
                                 4,
                                 8,
                                 1,
                                 ExpandNibbles,
                                 Tile<kNibbles>,
                                 FewRows<kNibbles>,
                                 QuantizeRow,
                                 QFinishRow,
                                 AddOutliersAvx2,
                                 kOutlierBlockRows};
const QGemmCode kQGemmW4Avx2 = {kTileRows,
                                1,
                                4,
                                0,
                                1,
                                ExpandNibbles,
                                Tile<kGroupsOfNibbles>,
                                FewRows<kGroupsOfNibbles>,
                                QuantizeRow,
                                QFinishRow};

}  // namespace ixc
