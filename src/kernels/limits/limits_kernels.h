// What the files of one instruction set give to the limits: loops whose work is known.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ixc {

constexpr int kMaxPeaks = 5;

// Memory is read in pieces of this many bytes, each as four streams side by side. That keeps more
// requests in flight than one long stream: 22 instead of 17 GB/s on one core of a Zen 3.
constexpr size_t kReadPiece = size_t{512} << 10;

// A loop that does nothing but one kind of multiply-add, as fast as it can.
struct PeakLoop {
  const char* figure;  // null: end of the list
  const char* unit;
  double operations;  // of one turn, multiply and add counted apart
  void (*run)(int64_t turns);
};

struct LimitIsa {
  // Reads the whole kReadPieces of `bytes` and returns something that depends on all of them.
  uint64_t (*read)(const void* memory, size_t bytes);
  PeakLoop peaks[kMaxPeaks];
};

extern const LimitIsa kLimitScalar;
extern const LimitIsa kLimitAvx2;
extern const LimitIsa kLimitAvx512;
// What AMX has beside the limits of AVX-512.
extern const PeakLoop kAmxPeaks[2];

}  // namespace ixc
