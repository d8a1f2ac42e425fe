// The clock for how long something took.
#pragma once

#include <chrono>

namespace ixc {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace ixc
