#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationAvx512 = {SiluMulRow, AddRow};

}  // namespace ixc
