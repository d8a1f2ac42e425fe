// Arithmetic on sizes that come from files: every product and sum is checked, so that a header
// with huge numbers ends in an error and never in a small allocation and a long copy.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"

namespace ixc {

// a * b; `what` names the quantity in the error.
inline uint64_t CheckedMul(uint64_t a, uint64_t b, const char* what) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    Fail("{}: {} x {} does not fit in 64 bits", what, a, b);
  return product;
}

inline uint64_t CheckedAdd(uint64_t a, uint64_t b, const char* what) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) Fail("{}: {} + {} does not fit in 64 bits", what, a, b);
  return sum;
}

// Number of elements of a shape, at most INT64_MAX so that signed arithmetic on it is safe too;
// negative dimensions are an error.
inline uint64_t CheckedElements(std::span<const int64_t> shape, const char* what) {
  int64_t elements = 1;
  for (int64_t dimension : shape) {
    if (dimension < 0) Fail("{}: negative dimension {}", what, dimension);
    if (__builtin_mul_overflow(elements, dimension, &elements)) {
      Fail("{}: number of elements does not fit in 63 bits", what);
    }
  }
  return static_cast<uint64_t>(elements);
}

}  // namespace ixc
