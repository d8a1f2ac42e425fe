// RMSNorm and LayerNorm for the portable build: norm_rows.h on its registers.
#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormScalar = {RmsNormRow, LayerNormRow};

}  // namespace ixc
