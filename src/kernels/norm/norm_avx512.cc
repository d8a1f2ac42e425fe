// RMSNorm and LayerNorm for AVX-512: norm_rows.h on its registers.
#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormAvx512 = {RmsNormRow, LayerNormRow};

}  // namespace ixc
