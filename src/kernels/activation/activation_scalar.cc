#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationScalar = {SiluMulRow, AddRow};

}  // namespace ixc
