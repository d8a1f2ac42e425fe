// SiLU product and addition for AVX2: activation_rows.h on its registers.
#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationAvx2 = {SiluMulRow, AddRow};

}  // namespace ixc
