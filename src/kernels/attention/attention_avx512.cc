// Attention on AVX-512: both products on the 14 x 32 register tile of gemm_avx512.cc. On a Zen 4
// about 70 % of the FMA peak in prefill; a few rows run the AVX2 code, which is faster there.
namespace ixc {
namespace {
constexpr int kAttentionTileRows = 14;
constexpr int kAttentionTilePanels = 2;
}  // namespace
}  // namespace ixc

#include "kernels/attention/attention_rows.h"

namespace ixc {

const AttentionIsa kAttentionAvx512 = {ScratchFloats, AttendTask, AttendOneSpan, FinishSpans};

}  // namespace ixc
