#include "cli/bench_timing.h"

#include <algorithm>

#include "base/clock.h"
#include "cli/interrupt.h"

namespace ixc {

namespace {

constexpr double kShortSeconds = 0.2;  // a sum of times below this is mostly noise
constexpr double kLongWarmUpSeconds = 10;
constexpr double kLongSeconds = 180;
constexpr int kLongRepeats = 3;

double Seconds(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return SecondsSince(begin);
}

bool IsEnough(int done, double total_seconds, int repeats) {
  if (total_seconds > kLongSeconds && done >= kLongRepeats) return true;
  return done >= repeats && total_seconds >= kShortSeconds;
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<BenchTiming> MeasureInTurn(std::span<const std::function<void()>> works, int repeats) {
  std::vector<std::vector<double>> seconds(works.size());
  double total = 0;
  const auto run_all = [&] {
    for (size_t i = 0; i < works.size(); ++i) {
      ThrowIfInterrupted();
      seconds[i].push_back(Seconds(works[i]));
      total += seconds[i].back();
    }
  };
  run_all();
  if (total < kLongWarmUpSeconds) {
    for (auto& of_work : seconds) of_work.clear();
    total = 0;
  }
  while (!IsEnough(static_cast<int>(seconds.front().size()), total, repeats)) run_all();

  std::vector<BenchTiming> timings;
  for (const auto& of_work : seconds) {
    timings.push_back({Median(of_work), *std::min_element(of_work.begin(), of_work.end()),
                       static_cast<int>(of_work.size())});
  }
  return timings;
}

BenchTiming Measure(const std::function<void()>& work, int repeats) {
  return MeasureInTurn(std::span(&work, 1), repeats).front();
}

}  // namespace ixc
