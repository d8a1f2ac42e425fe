// SiLU product and addition for the portable build: activation_rows.h on its registers.
#include "kernels/activation/activation_rows.h"

namespace ixc {

const ActivationIsa kActivationScalar = {SiluMulRow, AddRow};

}  // namespace ixc
