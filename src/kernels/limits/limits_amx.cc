// Limits of AMX: products of full tiles, 16 x 16 sums of 64 bytes or 32 bf16 values each. Six sums
// hide the latency of three products of 16 cycles each; all operands are zeros, which take as long
// as anything else.
#include <immintrin.h>

#include "kernels/limits/limits_kernels.h"

namespace ixc {

namespace {

constexpr int kSums = 6;
constexpr int kInt8Products = 16 * 16 * 64;
constexpr int kBf16Products = 16 * 16 * 32;

// The operand of ldtilecfg: all eight tiles full.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void ConfigureFullTiles() {
  const TileConfig config;
  asm volatile("" : : "m"(config));  // GCC 12 believes that only the first 8 bytes are read
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

void Int8(int64_t turns) {
  ConfigureFullTiles();
  for (int64_t i = 0; i < turns; ++i) {
    _tile_dpbsud(0, 6, 7);
    _tile_dpbsud(1, 6, 7);
    _tile_dpbsud(2, 6, 7);
    _tile_dpbsud(3, 6, 7);
    _tile_dpbsud(4, 6, 7);
    _tile_dpbsud(5, 6, 7);
  }
  _tile_release();
}

void Bf16(int64_t turns) {
  ConfigureFullTiles();
  for (int64_t i = 0; i < turns; ++i) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  _tile_release();
}

}  // namespace

const PeakLoop kAmxPeaks[2] = {{"limit.amx_int8", "GOP/s", 2.0 * kSums* kInt8Products, Int8},
                               {"limit.amx_bf16", "GFLOP/s", 2.0 * kSums* kBf16Products, Bf16}};

}  // namespace ixc
