// Products of integer weights on AMX: 32 rows by two neighbouring panels of 16 outputs, in all
// eight tiles: four of 16 x 16 sums, two of 16 rows of activations, two of weights. Four products
// follow four loads, so that each loaded tile is used twice.
//
// A tile of weights is 16 lines of a packed panel as it lies in memory: 64 inputs of 16 outputs.
// Bytes (w8a8, w8a8d) are therefore loaded from where they are packed, without a copy; nibbles
// (w8a8s, w4) are unpacked into the driver's slice in L1 first, like everywhere. A tile of
// activations is [16][64] bytes, one piece of packed activations. tdpbsud multiplies their signed
// bytes by the unsigned ones of the weights, tdpbssd by the signed ones of w4; both add without
// saturation.
//
// Groups (w4) give up their sums at the end of every group: they are stored, converted and added to
// float sums by AVX-512, while the tiles are already at work on the next group. Per group of 128
// the tiles take 8 products, about 130 cycles, and the conversion of 32 x 32 sums as much again.
// Groups of 32 inputs fill only half the depth of a tile, which is configured for it.
//
// Blocks of rows are longer than elsewhere: unpacking a slice of nibbles and its outliers takes as
// long as the tiles of about 100 rows.
//
// A thread configures its tiles once a task and releases them behind it. Up to 16 rows, the lower
// half of the tile is left out; what is missing of 16 rows is multiplied in vain. Few rows (up to
// 6) read weights at the speed of memory with VNNI, so AMX has no product for them.
//
// None of this was ever timed: it was written where no processor with AMX was at hand, after the
// instructions' documented rates, and is tested with emulated tiles.
#include <immintrin.h>

#include "kernels/qgemm/nibbles_avx512.h"
#include "kernels/qgemm/qgemm_rows.h"

namespace ixc {

namespace {

constexpr int kTileRows = 32;
constexpr int kTileCols = 32;
// 320 KiB of activations and 640 KiB of sums, in an L2 of 2 MiB.
constexpr int kBlockRows = 640;
constexpr int64_t kTileInputs = 64;
constexpr int64_t kLineBytes = 64;     // four inputs of 16 outputs, or 16 sums
constexpr int64_t kHalf = 16;          // rows of one tile register
constexpr int64_t kBytesAnInput = 16;  // of a panel, unpacked

// The operand of ldtilecfg.
struct alignas(64) TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// Tile registers 0 1 over 2 3: sums of both panels for the upper and the lower 16 rows. 4, 5:
// activations of these rows. 6, 7: weights of the panels. (The intrinsics take literals only.)
void Enter(int64_t group) {
  const int64_t inputs = group == 32 ? 32 : kTileInputs;
  TileConfig config = {};
  config.palette = 1;
  for (int t = 0; t < 8; ++t) {
    config.row_bytes[t] = static_cast<uint16_t>(t == 4 || t == 5 ? inputs : kLineBytes);
    config.rows[t] = static_cast<uint8_t>(t >= 6 ? inputs / 4 : kHalf);
  }
  asm volatile("" : : "m"(config));  // GCC 12 believes that only the first 8 bytes are read
  _tile_loadconfig(&config);
}

void Leave() { _tile_release(); }

// Where one tile of QGemmTile works.
struct Operands {
  const uint8_t* a;
  const uint8_t* b0;
  const uint8_t* b1;  // of a single panel the first one again: its sums are written and not read
  bool tall;          // more than 16 rows
};

Operands OperandsOf(const QGemmTile& call) {
  const auto* b = static_cast<const uint8_t*>(call.b);
  return {static_cast<const uint8_t*>(call.a), b, call.panels == 2 ? b + call.panel_bytes : b,
          call.rows > kHalf};
}

// Inputs from k0 on, as many as the tiles are configured for.
template <bool kSignedWeights>
inline void AddInputs(const Operands& at, int64_t k0) {
  const uint8_t* a = at.a + k0 / kTileInputs * kTileInputs * kTileRows + k0 % kTileInputs;
  _tile_loadd(4, a, kTileInputs);
  _tile_loadd(6, at.b0 + k0 * kBytesAnInput, kLineBytes);
  _tile_loadd(7, at.b1 + k0 * kBytesAnInput, kLineBytes);
  if constexpr (kSignedWeights) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
  } else {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
  }
  if (!at.tall) return;
  _tile_loadd(5, a + kHalf * kTileInputs, kTileInputs);
  if constexpr (kSignedWeights) {
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  } else {
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
}

inline void ClearSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// Rows of 32 sums, `stride` elements apart.
inline void LoadSums(const int32_t* sums, int64_t stride, bool tall) {
  _tile_loadd(0, sums, stride * 4);
  _tile_loadd(1, sums + 16, stride * 4);
  if (!tall) return;
  _tile_loadd(2, sums + kHalf * stride, stride * 4);
  _tile_loadd(3, sums + kHalf * stride + 16, stride * 4);
}

inline void StoreSums(int32_t* sums, int64_t stride, bool tall) {
  _tile_stored(0, sums, stride * 4);
  _tile_stored(1, sums + 16, stride * 4);
  if (!tall) return;
  _tile_stored(2, sums + kHalf * stride, stride * 4);
  _tile_stored(3, sums + kHalf * stride + 16, stride * 4);
}

// GCC 12 does not know that tile loads read memory: stores before this are done before them.
inline void FinishStores() { asm volatile("" ::: "memory"); }

void TileOfBytes(const QGemmTile& call) {
  const Operands at = OperandsOf(call);
  auto* acc = static_cast<int32_t*>(call.acc);
  FinishStores();
  if (call.first) {
    ClearSums();
  } else {
    LoadSums(acc, call.acc_stride, at.tall);
  }
  for (int64_t k0 = 0; k0 < call.k; k0 += kTileInputs) AddInputs<false>(at, k0);
  StoreSums(acc, call.acc_stride, at.tall);
}

// acc = fma(float(sums), scales of one group, acc), row by row.
void AddScaled(const QGemmTile& call, int64_t group, const int32_t* sums) {
  const __mmask16 has_acc = call.first && group == 0 ? 0 : 0xffff;
  for (int p = 0; p < call.panels; ++p) {
    const __m512 scale = ScalesOf(call.scales + p * call.scale_stride + group * 16);
    for (int r = 0; r < call.rows; ++r) {
      float* acc = static_cast<float*>(call.acc) + r * call.acc_stride + 16 * p;
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(sums + r * kTileCols + 16 * p));
      _mm512_storeu_ps(acc, _mm512_fmadd_ps(sum, scale, _mm512_maskz_loadu_ps(has_acc, acc)));
    }
  }
}

void TileOfGroups(const QGemmTile& call) {
  const Operands at = OperandsOf(call);
  const int64_t step = call.group < kTileInputs ? call.group : kTileInputs;
  alignas(64) int32_t sums[2][kTileRows * kTileCols];  // of two groups in turn
  int64_t group = 0;
  FinishStores();
  for (int64_t k0 = 0; k0 < call.k; ++group) {
    ClearSums();
    const int64_t end = call.k - k0 < call.group ? call.k : k0 + call.group;
    for (; k0 < end; k0 += step) AddInputs<true>(at, k0);
    StoreSums(sums[group % 2], kTileCols, at.tall);
    if (group > 0) AddScaled(call, group - 1, sums[(group - 1) % 2]);
  }
  if (group > 0) AddScaled(call, group - 1, sums[(group - 1) % 2]);
}

void ExpandToBytes(const uint8_t* from, int64_t k, void* to) { ExpandNibbles(from, k, to, 120); }
void ExpandToSigned(const uint8_t* from, int64_t k, void* to) { ExpandNibbles(from, k, to, -8); }

}  // namespace

const QGemmCode kQGemmW8Amx = {kTileRows, 2,           kTileInputs, 128,         1,
                               nullptr,   TileOfBytes, nullptr,     QuantizeRow, QFinishRow,
                               nullptr,   kBlockRows,  Enter,       Leave};
const QGemmCode kQGemmW8SAmx = {kTileRows,     2,           kTileInputs, 128,         1,
                                ExpandToBytes, TileOfBytes, nullptr,     QuantizeRow, QFinishRow,
                                nullptr,       kBlockRows,  Enter,       Leave};
const QGemmCode kQGemmW4Amx = {
    kTileRows, 2,           kTileInputs, 0,       1,          ExpandToSigned, TileOfGroups,
    nullptr,   QuantizeRow, QFinishRow,  nullptr, kBlockRows, Enter,          Leave};

}  // namespace ixc
