// Rotary embedding for AVX-512: rope_rows.h on its registers.
#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeAvx512 = {RotateRow};

}  // namespace ixc
