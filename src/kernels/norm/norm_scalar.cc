#include "kernels/norm/norm_rows.h"

namespace ixc {

const NormIsa kNormScalar = {RmsNormRow, LayerNormRow};

}  // namespace ixc
