#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeAvx512 = {RotateRow};

}  // namespace ixc
