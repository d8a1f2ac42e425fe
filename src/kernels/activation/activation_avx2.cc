#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationAvx2 = {SiluMulRow, AddRow};

}  // namespace ixc
