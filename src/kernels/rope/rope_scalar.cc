// Rotary embedding for the portable build: rope_rows.h on its registers.
#include "kernels/rope/rope_rows.h"

namespace ixc {

const RopeIsa kRopeScalar = {RotateRow};

}  // namespace ixc
