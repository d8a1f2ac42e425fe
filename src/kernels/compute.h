// What every operation needs to know about where it runs.
#pragma once

#include "cpu/features.h"
#include "cpu/thread_pool.h"

namespace ixc {

struct Compute {
  Isa isa = Isa::kScalar;
  ThreadPool* pool = nullptr;  // never null
};

}  // namespace ixc
