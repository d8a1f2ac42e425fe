// Working memory of a kernel: one growing buffer a thread, so that steady state allocates nothing.
#pragma once

#include <cstdint>

namespace ixc {

// At least `floats` floats, 64-byte aligned, contents unspecified. Valid until this thread's next
// call, so one kernel at a time may hold it.
float* ThreadScratch(int64_t floats);

}  // namespace ixc
