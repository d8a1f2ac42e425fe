// How much memory this process took at its most.
#pragma once

#include <cstdint>

namespace ixc {

// From here on the peak counts anew, where the system allows it.
void ResetPeakMemory();

// Most bytes of this process that were in memory at once, mapped files included.
uint64_t PeakMemoryBytes();

}  // namespace ixc
