#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "cpu/aligned_buffer.h"
#include "kernels/limits/limits.h"
#include "unit/kernels_test_util.h"

namespace ixc {
namespace {

TEST(Limits, EveryInstructionSetReportsItsFigures) {
  ThreadPool pool(TeamOf(2));
  const LimitOptions options{size_t{1} << 20, 0.0005, 3};
  for (Isa isa : SupportedIsas()) {
    const std::vector<Limit> limits = MeasureLimits(options, {isa, &pool});
    std::vector<std::string> figures;
    for (const Limit& limit : limits) {
      figures.push_back(limit.figure);
      EXPECT_GT(limit.median, 0.0) << limit.figure;
      EXPECT_GE(limit.best, limit.median) << limit.figure;
      EXPECT_LT(limit.best, 1e6) << limit.figure << ": the loop was optimised away";
      EXPECT_EQ(limit.repeats, 3);
      EXPECT_FALSE(limit.unit.empty());
    }
    std::vector<std::string> expected = {"limit.read", "limit.fp32"};
    if (isa >= Isa::kAvx2) {
      expected.insert(expected.end(), {"limit.s16", "limit.u8s8", "limit.u8s4"});
    }
    if (isa >= Isa::kAvx512 && __builtin_cpu_supports("avx512vnni")) {
      expected.push_back("limit.vnni");
    }
    if (isa == Isa::kAmx) {
      expected.insert(expected.end(), {"limit.amx_int8", "limit.amx_bf16"});
    }
    EXPECT_EQ(figures, expected) << Name(isa);
  }
}

TEST(Limits, ReadOnceCountsWholePiecesOfEveryThread) {
  ThreadPool pool(TeamOf(2));
  const size_t piece = size_t{512} << 10;
  AlignedBuffer memory(5 * piece);
  std::fill_n(memory.data(), memory.size(), std::byte{1});
  const std::span<const std::byte> all(memory.data(), memory.size());
  const std::span<const std::byte> stretches[] = {all, all.first(piece), all.first(2 * piece)};
  for (Isa isa : SupportedIsas()) {
    EXPECT_EQ(ReadOnce(stretches, {isa, &pool}), 4 * piece + 0 + 2 * piece) << Name(isa);
    EXPECT_EQ(ReadOnce({}, {isa, &pool}), 0U);
  }
}

TEST(Limits, RefuseNothingToMeasure) {
  ThreadPool pool(1);
  EXPECT_THROW(MeasureLimits({100, 0.0005, 3}, {Isa::kScalar, &pool}), Error);
  EXPECT_THROW(MeasureLimits({1 << 20, 0.0005, 0}, {Isa::kScalar, &pool}), Error);
}

}  // namespace
}  // namespace ixc
