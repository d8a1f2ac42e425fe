// Rotary embedding for AVX2: rope_rows.h on its registers.
#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeAvx2 = {RotateRow};

}  // namespace ixc
