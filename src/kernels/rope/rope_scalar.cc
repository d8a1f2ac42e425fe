#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeScalar = {RotateRow};

}  // namespace ixc
