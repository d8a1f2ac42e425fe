// Attention on AVX2: both products on the 6 x 16 register tile of gemm_avx2.cc. On a Zen 3 about
// two thirds of the FMA peak, 64 to 128 rows a task; a sixth of the time goes to the softmax.
namespace ixc {
namespace {
constexpr int kAttentionTileRows = 6;
constexpr int kAttentionTilePanels = 1;
}  // namespace
}  // namespace ixc

#include "kernels/attention/attention_rows.h"

namespace ixc {

const AttentionIsa kAttentionAvx2 = {ScratchFloats, AttendTask, AttendOneSpan, FinishSpans};

}  // namespace ixc
