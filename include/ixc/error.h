// The one exception type of the library: what was wanted, what was found, where, and what to do,
// in one line. Thrown at the place that knows; a program catches it at its outermost level.
#pragma once

#include <stdexcept>

namespace ixc {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ixc
