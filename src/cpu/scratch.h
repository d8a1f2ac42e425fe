// Working memory of a kernel: growing buffers of each thread, so that steady state allocates
// nothing.
#pragma once

#include <cstdint>

namespace ixc {

enum class ScratchUse {
  kOwn,     // read and written by this thread only, inside one piece of work
  kShared,  // allocated by the thread that starts the work and read by the whole team
};

// At least `floats` floats, 64-byte aligned, contents unspecified. Valid until this thread's next
// call for the same use, so one kernel at a time may hold it.
float* ThreadScratch(ScratchUse use, int64_t floats);

}  // namespace ixc
