// Repeated timing: warm-up, repeats, median.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace ixc {

struct BenchTiming {
  double median = 0;  // seconds
  double best = 0;
  int repeats = 0;
};

// Runs `work` at least `repeats` times, and until a fifth of a second is measured. One run before
// them warms caches and pages up and does not count, unless it was so long (10 s) that it need not
// be lost. Runs of minutes stop at three. Ctrl-C throws Interrupted between two runs.
BenchTiming Measure(const std::function<void()>& work, int repeats);

// The same for several works, one run of each in turn, so that none finds its data in the cache.
std::vector<BenchTiming> MeasureInTurn(std::span<const std::function<void()>> works, int repeats);

// Of a list that is not empty; the mean of the middle two when there are two.
double Median(std::vector<double> values);

}  // namespace ixc
