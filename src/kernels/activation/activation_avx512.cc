// SiLU product and addition for AVX-512: activation_rows.h on its registers.
#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationAvx512 = {SiluMulRow, AddRow};

}  // namespace ixc
