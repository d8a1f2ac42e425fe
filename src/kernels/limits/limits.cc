#include "kernels/limits/limits.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "cpu/aligned_buffer.h"
#include "kernels/limits/limits_kernels.h"

namespace ixc {

namespace {

double Seconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return SecondsSince(start);
}

// `amount` (bytes or operations) over the time of `work`, in billions a second.
Limit Rate(std::string figure, std::string unit, double amount, int repeats,
           const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) seconds.push_back(Seconds(work));
  std::sort(seconds.begin(), seconds.end());
  return {std::move(figure), amount / seconds.front() * 1e-9,
          amount / seconds[seconds.size() / 2] * 1e-9, std::move(unit), repeats};
}

Limit MeasureRead(const LimitIsa& isa, const LimitOptions& options, ThreadPool& pool) {
  const auto threads = static_cast<size_t>(pool.num_threads());
  const size_t stretch = options.read_bytes / threads / kReadPiece * kReadPiece;
  if (stretch == 0)
    Fail("cannot measure reading of {} bytes on {} threads", options.read_bytes, threads);
  AlignedBuffer memory(stretch * threads);
  std::atomic<uint64_t> sink{0};
  auto start_of = [&](int thread) { return memory.data() + static_cast<size_t>(thread) * stretch; };
  pool.RunOnAll([&](int thread) { std::memset(start_of(thread), 1, stretch); });
  return Rate("limit.read", "GB/s", static_cast<double>(stretch * threads), options.repeats, [&] {
    pool.RunOnAll([&](int thread) { sink += isa.read(start_of(thread), stretch); });
  });
}

Limit MeasurePeak(const PeakLoop& peak, const LimitOptions& options, ThreadPool& pool) {
  int64_t turns = 16;
  auto run = [&] { pool.RunOnAll([&](int) { peak.run(turns); }); };
  while (Seconds(run) < options.seconds) turns *= 2;
  const double operations = peak.operations * static_cast<double>(turns) * pool.num_threads();
  return Rate(peak.figure, peak.unit, operations, options.repeats, run);
}

const LimitIsa& LimitsOf(Isa isa) {
  if (isa >= Isa::kAvx512) return kLimitAvx512;
  return isa == Isa::kAvx2 ? kLimitAvx2 : kLimitScalar;
}

}  // namespace

size_t ReadOnce(std::span<const std::span<const std::byte>> stretches, const Compute& compute) {
  const LimitIsa& isa = LimitsOf(compute.isa);
  const auto threads = static_cast<size_t>(compute.pool->num_threads());
  const auto part_of = [&](size_t bytes) { return bytes / threads / kReadPiece * kReadPiece; };
  std::atomic<uint64_t> sink{0};
  compute.pool->RunOnAll([&](int thread) {
    for (const std::span<const std::byte> stretch : stretches) {
      const size_t part = part_of(stretch.size());
      sink += isa.read(stretch.data() + static_cast<size_t>(thread) * part, part);
    }
  });
  size_t bytes = 0;
  for (const std::span<const std::byte> stretch : stretches) {
    bytes += threads * part_of(stretch.size());
  }
  return bytes;
}

std::vector<Limit> MeasureLimits(const LimitOptions& options, const Compute& compute) {
  if (options.repeats < 1)
    Fail("wanted at least one repeat of each limit, found {}", options.repeats);
  const LimitIsa& isa = LimitsOf(compute.isa);
  std::vector<Limit> limits = {MeasureRead(isa, options, *compute.pool)};
  for (const PeakLoop& peak : isa.peaks) {
    if (peak.figure == nullptr) break;
    if (std::string_view(peak.figure) == "limit.vnni" && !__builtin_cpu_supports("avx512vnni"))
      continue;
    limits.push_back(MeasurePeak(peak, options, *compute.pool));
  }
  if (compute.isa == Isa::kAmx) {
    for (const PeakLoop& peak : kAmxPeaks) {
      limits.push_back(MeasurePeak(peak, options, *compute.pool));
    }
  }
  return limits;
}

}  // namespace ixc
