// Products of integer weights on AVX-512 VNNI: 14 rows by two neighbouring panels of 16 outputs.
// vpdpbusd adds four products of unsigned weights and signed activations to each of 16 sums;
// nothing saturates. The tile holds 28 sums, 2 registers of weights and 1 broadcast of four
// activations: 31 of 32. Bytes are read where they are packed, nibbles are unpacked into a slice in
// L1 first.
//
// Groups (w4) start their sums at -8 sum(q), so that nibbles 0 … 15 stand for -8 … 7, and leave the
// registers at the end of every group: 14 x 2 conversions and multiply-adds with sums in L1.
//
// A few rows stream the weights, eight panels side by side for one row; nibbles are taken apart on
// the way.
#include <immintrin.h>
#include <string.h>

#include "kernels/qgemm/nibbles_avx512.h"
#include "kernels/qgemm/qgemm_rows.h"

namespace ixc {

namespace {

constexpr int kTileRows = 14;

inline __m512i FourActivations(const void* p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

void ExpandToBytes(const uint8_t* from, int64_t k, void* to) { ExpandNibbles(from, k, to, 120); }
void ExpandGroups(const uint8_t* from, int64_t k, void* to) { ExpandNibbles(from, k, to, 0); }

// Zeros that GCC 12 takes for different values: sums with equal starts it copies and spills.
template <int kRows, int kPanels>
inline void ClearSums(__m512i (&sum)[kRows][kPanels]) {
#pragma GCC unroll 14
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = _mm512_setzero_si512();
      asm("" : "+v"(sum[r][p]));
    }
  }
}

// `lines` lines of four inputs of every panel, on top of the sums in the registers.
template <int kRows, int kPanels>
inline void AddLines(__m512i (&sum)[kRows][kPanels], const uint8_t* a, const uint8_t* b,
                     int64_t panel_bytes, int64_t lines) {
#pragma GCC unroll 2
  for (int64_t i = 0; i < lines; ++i, a += 4 * kTileRows, b += 64) {
    __m512i weights[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) weights[p] = _mm512_loadu_si512(b + p * panel_bytes);
#pragma GCC unroll 14
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = FourActivations(a + 4 * r);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], weights[p], x);
      }
    }
  }
}

template <int kRows, int kPanels>
inline void TileOfBytes(const QGemmTile& call) {
  __m512i sum[kRows][kPanels];
  ClearSums(sum);
  AddLines<kRows, kPanels>(sum, static_cast<const uint8_t*>(call.a),
                           static_cast<const uint8_t*>(call.b), call.panel_bytes, call.k / 4);
#pragma GCC unroll 14
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      int32_t* acc = static_cast<int32_t*>(call.acc) + r * call.acc_stride + 16 * p;
      if (!call.first) sum[r][p] = _mm512_add_epi32(sum[r][p], _mm512_loadu_si512(acc));
      _mm512_storeu_si512(acc, sum[r][p]);
    }
  }
}

template <int kRows, int kPanels>
inline void AddGroup(const QGemmTile& call) {
  __m512i sum[kRows][kPanels];
  ClearSums(sum);
  AddLines<kRows, kPanels>(sum, static_cast<const uint8_t*>(call.a),
                           static_cast<const uint8_t*>(call.b), call.panel_bytes, call.k / 4);
  __m512 scale[kPanels];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) scale[p] = ScalesOf(call.scales + p * call.scale_stride);
  const __mmask16 has_sums = call.first ? 0 : 0xffff;
#pragma GCC unroll 14
  for (int r = 0; r < kRows; ++r) {
    const __m512i offset = _mm512_set1_epi32(8 * call.x_sums[r]);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      float* acc = static_cast<float*>(call.acc) + r * call.acc_stride + 16 * p;
      const __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][p], offset));
      const __m512 before = _mm512_maskz_loadu_ps(has_sums, acc);
      _mm512_storeu_ps(acc, _mm512_fmadd_ps(value, scale[p], before));
    }
  }
}

template <int kRows, int kPanels>
inline void TileOfGroups(const QGemmTile& call) {
  QGemmTile group = call;
  for (int64_t k0 = 0; k0 < call.k; k0 += call.group) {
    group.k = call.k - k0 < call.group ? call.k - k0 : call.group;
    AddGroup<kRows, kPanels>(group);
    group.a = static_cast<const uint8_t*>(group.a) + group.k * kTileRows;
    group.b = static_cast<const uint8_t*>(group.b) + group.k * 16;
    group.x_sums += kTileRows;
    group.scales += 16;
    group.first = false;
  }
}

// Finds the tile for call.rows, the largest first: nearly all are that one.
template <bool kGroups, int kRows, int kPanels>
inline void TileOfRows(const QGemmTile& call) {
  if constexpr (kRows > 1) {
    if (call.rows < kRows) return TileOfRows<kGroups, kRows - 1, kPanels>(call);
  }
  if constexpr (kGroups) {
    TileOfGroups<kRows, kPanels>(call);
  } else {
    TileOfBytes<kRows, kPanels>(call);
  }
}

template <bool kGroups>
void Tile(const QGemmTile& call) {
  if (call.panels == 2) return TileOfRows<kGroups, kTileRows, 2>(call);
  TileOfRows<kGroups, kTileRows, 1>(call);
}

enum Kind { kBytes, kNibbles, kGroupsOfNibbles };

// Inputs [k0, k0 + depth) of `kPanels` panels for all rows, on top of the sums in the registers.
template <Kind kKind, int kRows, int kPanels>
inline void StreamLines(__m512i (&sum)[kRows][kPanels], const QGemmFewRows& call, int panel,
                        int64_t k0, int64_t depth) {
  constexpr int kInputs = kKind == kBytes ? 4 : 8;  // of a line
  const uint8_t* w = call.w + panel * call.panel_bytes + k0 / kInputs * 64;
  const int8_t* x = call.x + k0 * kRows;
  for (int64_t i = 0; i < depth; i += kInputs, w += 64, x += kInputs * kRows) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const __m512i line = _mm512_loadu_si512(w + p * call.panel_bytes);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        if constexpr (kKind == kBytes) {
          sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], line, FourActivations(x + 4 * r));
        } else {
          sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], LowNibbles(line), FourActivations(x + 4 * r));
          sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], HighNibbles(line),
                                          FourActivations(x + 4 * (kRows + r)));
        }
      }
    }
  }
}

template <Kind kKind, int kRows, int kPanels>
inline void StreamIntegers(const QGemmFewRows& call, int panel) {
  __m512i sum[kRows][kPanels];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) sum[r][p] = _mm512_setzero_si512();
  }
  StreamLines<kKind, kRows, kPanels>(sum, call, panel, 0, call.k);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      int32_t* out = static_cast<int32_t*>(call.out) + r * call.out_stride + 16 * (panel + p);
      _mm512_storeu_si512(out, sum[r][p]);
    }
  }
}

template <int kRows, int kPanels>
inline void StreamGroups(const QGemmFewRows& call, int panel) {
  const int64_t groups = (call.k + call.group - 1) / call.group;
  const uint16_t* scales = call.scales + panel * groups * 16;
  __m512 acc[kRows][kPanels];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) acc[r][p] = _mm512_setzero_ps();
  }
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t k0 = g * call.group;
    const int64_t depth = call.k - k0 < call.group ? call.k - k0 : call.group;
    __m512i sum[kRows][kPanels];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i start = _mm512_set1_epi32(-8 * call.x_sums[g * kRows + r]);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) sum[r][p] = start;
    }
    StreamLines<kGroupsOfNibbles, kRows, kPanels>(sum, call, panel, k0, depth);
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const __m512 scale = ScalesOf(scales + (p * groups + g) * 16);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        acc[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][p]), scale, acc[r][p]);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      float* out = static_cast<float*>(call.out) + r * call.out_stride + 16 * (panel + p);
      _mm512_storeu_ps(out, acc[r][p]);
    }
  }
}

template <Kind kKind, int kRows, int kPanels>
inline void StreamPanels(const QGemmFewRows& call, int panel) {
  if constexpr (kKind == kGroupsOfNibbles) {
    StreamGroups<kRows, kPanels>(call, panel);
  } else {
    StreamIntegers<kKind, kRows, kPanels>(call, panel);
  }
}

template <Kind kKind, int kRows, int kPanels>
void Stream(const QGemmFewRows& call) {
  int panel = 0;
  for (; panel + kPanels <= call.panels; panel += kPanels) {
    StreamPanels<kKind, kRows, kPanels>(call, panel);
  }
  for (; panel < call.panels; ++panel) StreamPanels<kKind, kRows, 1>(call, panel);
}

// Panels at a time: 8 or more sums hide the latency of vpdpbusd. Groups have two registers a sum.
template <Kind kKind>
void FewRows(const QGemmFewRows& call) {
  constexpr int kManyPanels = kKind == kGroupsOfNibbles ? 1 : 2;
  switch (call.rows) {
    case 1:
      return Stream<kKind, 1, 8>(call);
    case 2:
      return Stream<kKind, 2, 4>(call);
    case 3:
      return Stream<kKind, 3, 4>(call);
    case 4:
      return Stream<kKind, 4, 2>(call);
    case 5:
      return Stream<kKind, 5, 2>(call);
    case 6:
      return Stream<kKind, 6, 2>(call);
    case 7:
      return Stream<kKind, 7, kManyPanels>(call);
    case 8:
      return Stream<kKind, 8, kManyPanels>(call);
    case 9:
      return Stream<kKind, 9, kManyPanels>(call);
    case 10:
      return Stream<kKind, 10, kManyPanels>(call);
    case 11:
      return Stream<kKind, 11, kManyPanels>(call);
    default:
      return Stream<kKind, 12, kManyPanels>(call);
  }
}

}  // namespace

const QGemmCode kQGemmW8Vnni = {
    kTileRows, 2, 4, 128, 1, nullptr, Tile<false>, FewRows<kBytes>, QuantizeRow, QFinishRow};
const QGemmCode kQGemmW8SVnni = {
    kTileRows,         2,           4,         128, 1, ExpandToBytes, Tile<false>,
    FewRows<kNibbles>, QuantizeRow, QFinishRow};
const QGemmCode kQGemmW4Vnni = {
    kTileRows,   2,         4, 0, 1, ExpandGroups, Tile<true>, FewRows<kGroupsOfNibbles>,
    QuantizeRow, QFinishRow};

}  // namespace ixc
