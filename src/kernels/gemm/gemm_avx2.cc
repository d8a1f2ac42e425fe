// Matrix product on AVX2 + FMA: 6 rows by one panel of 16 outputs. The tile holds 12 sums, 2
// registers of weights and 1 broadcast activation: 15 of 16. A step of k takes 12 FMAs in 6 cycles
// beside 8 loads. With the activations in L2 the tile alone runs at 97 to 100 % of the FMA peak of
// a Zen 3; whole products reach 84 to 94 %. Unrolling k further than by four changed nothing.
//
// A few rows stream the weights instead: 8 to 12 chains are in flight whatever the number of rows,
// which beyond six go in two groups. On a Zen 4 a decode step of 8 sequences took 110 ms with the
// tile for many rows, which widens its weights for them alone.
#include "kernels/gemm/epilogue.h"
#include "kernels/gemm/gemm_rows.h"

namespace ixc {

namespace {

constexpr int kTileRows = 6;

void Tile(const GemmTile& call) { MultiplyRows<float, kTileRows, 1, 1, kTileRows>(call); }

// Panels at a time: 8 to 12 sums.
template <typename T>
void FewRowsByCount(const GemmFewRows& call) {
  switch (call.rows) {
    case 1:
      return FewRows<T, 1, 4>(call);
    case 2:
      return FewRows<T, 2, 2>(call);
    case 3:
      return FewRows<T, 3, 2>(call);
    case 4:
      return FewRows<T, 4, 1>(call);
    case 5:
      return FewRows<T, 5, 1>(call);
    case 6:
      return FewRows<T, 6, 1>(call);
    case 7:
      return FewRowsInTwo<T, 7>(call);
    case 8:
      return FewRowsInTwo<T, 8>(call);
    case 9:
      return FewRowsInTwo<T, 9>(call);
    case 10:
      return FewRowsInTwo<T, 10>(call);
    case 11:
      return FewRowsInTwo<T, 11>(call);
    default:
      return FewRowsInTwo<T, 12>(call);
  }
}

}  // namespace

const GemmIsa kGemmAvx2 = {
    kTileRows,
    1,
    Tile,
    FinishRow,
    {nullptr, WidenStretch<HalfBits>, WidenStretch<BrainBits>},
    {FewRowsByCount<float>, FewRowsByCount<HalfBits>, FewRowsByCount<BrainBits>},
};

}  // namespace ixc
