// RMSNorm and LayerNorm for AVX2: norm_rows.h on its registers.
#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormAvx2 = {RmsNormRow, LayerNormRow};

}  // namespace ixc
