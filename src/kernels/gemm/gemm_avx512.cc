// Matrix product on AVX-512: 14 rows by two neighbouring panels of 16 outputs. The tile holds 28
// sums, 2 registers of weights and 1 broadcast activation: 31 of 32. A step of k takes 28 FMAs
// beside 16 loads. On a Zen 4, whose FMA of 512 bits takes two cycles of one of 256, it is as fast
// as the AVX2 tile.
#include "kernels/gemm/epilogue.h"
#include "kernels/gemm/gemm_rows.h"

namespace ixc {

namespace {

constexpr int kTileRows = 14;

void Tile(const GemmTile& call) {
  if (call.panels == 2) return MultiplyRows<float, kTileRows, 2, 1, kTileRows>(call);
  MultiplyRows<float, kTileRows, 1, 1, kTileRows>(call);
}

// Panels at a time. One row streams four: with eight, whose slices lie a power of two apart, a Zen
// 4 read 85 % of its memory's speed instead of 93 %. Up to 12 rows two panels' sums stay in
// registers: the tile for many rows, which widens its weights for them alone, takes twice the time
// with 8 rows.
template <typename T>
void FewRowsByCount(const GemmFewRows& call) {
  switch (call.rows) {
    case 1:
      return FewRows<T, 1, 4>(call);
    case 2:
      return FewRows<T, 2, 4>(call);
    case 3:
      return FewRows<T, 3, 4>(call);
    case 4:
      return FewRows<T, 4, 4>(call);
    case 5:
      return FewRows<T, 5, 2>(call);
    case 6:
      return FewRows<T, 6, 2>(call);
    case 7:
      return FewRows<T, 7, 2>(call);
    case 8:
      return FewRows<T, 8, 2>(call);
    case 9:
      return FewRows<T, 9, 2>(call);
    case 10:
      return FewRows<T, 10, 2>(call);
    case 11:
      return FewRows<T, 11, 2>(call);
    default:
      return FewRows<T, 12, 2>(call);
  }
}

}  // namespace

const GemmIsa kGemmAvx512 = {
    kTileRows,
    2,
    Tile,
    FinishRow,
    {nullptr, WidenStretch<HalfBits>, WidenStretch<BrainBits>},
    {FewRowsByCount<float>, FewRowsByCount<HalfBits>, FewRowsByCount<BrainBits>},
};

}  // namespace ixc
