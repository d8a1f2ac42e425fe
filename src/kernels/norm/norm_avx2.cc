#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormAvx2 = {RmsNormRow, LayerNormRow};

}  // namespace ixc
