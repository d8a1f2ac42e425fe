#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormAvx512 = {RmsNormRow, LayerNormRow};

}  // namespace ixc
