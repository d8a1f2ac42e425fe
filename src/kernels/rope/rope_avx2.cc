#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeAvx2 = {RotateRow};

}  // namespace ixc
