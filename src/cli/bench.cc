#include "base/error.h"
#include "cli/commands.h"

namespace ixc {

int Run(const BenchOptions&) { Fail("ixc bench is not part of this build yet"); }

}  // namespace ixc
