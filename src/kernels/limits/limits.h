// What this machine can do at most, measured: the ceilings that every speed is a share of.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/compute.h"

namespace ixc {

struct Limit {
  std::string figure;  // limit.read, limit.fp32, … as below
  double best = 0;
  double median = 0;
  std::string unit;  // GB/s, GFLOP/s, GOP/s (multiply and add counted apart)
  int repeats = 0;
};

struct LimitOptions {
  size_t read_bytes = size_t{2} << 30;  // must be far beyond the last cache
  double seconds = 0.05;                // of one arithmetic run
  int repeats = 7;
};

// The limits of compute.isa on all threads of compute.pool: reading memory, and the peaks of the
// instructions that products are made of. Figures that the instruction set has not are left out.
//   read   every byte of a block read once, each thread its own stretch
//   fp32   multiply-add of floats
//   s16    vpmaddwd + vpaddd: exact products of 16-bit (and of 8-bit full-range) values
//   u8s8   vpmaddubsw + vpmaddwd + vpaddd: 8-bit products whose pairs may saturate
//   u8s4   vpmaddubsw + vpaddw: sums kept in 16 bits, for weights of 4 bits
//   vnni   vpdpbusd
//   amx_int8, amx_bf16   tdpbsud and tdpbf16ps on full tiles
std::vector<Limit> MeasureLimits(const LimitOptions& options, const Compute& compute);

// Reads some stretches once, the way limit.read does, each thread a part of each: the least that
// work on these bytes takes, wherever in memory they lie. A stretch starts at a multiple of 64
// bytes; of each a rest below half a megabyte a thread is left out. Returns the bytes that it read.
size_t ReadOnce(std::span<const std::span<const std::byte>> stretches, const Compute& compute);

}  // namespace ixc
