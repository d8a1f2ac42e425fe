// Means, and the difference of paired samples with its confidence interval.
#pragma once

#include <cstdint>
#include <span>

namespace ixc {

double Mean(std::span<const double> values);

// Two-sided 95 % quantile of Student's t distribution. degrees >= 1.
double StudentT95(int64_t degrees);

// The mean of a[i] - b[i] and the 95 % interval of that mean by Student's t:
//   d ± t s / sqrt(n), s the sample standard deviation of the differences.
struct PairedDifference {
  double mean = 0;
  double low = 0;  // equal to mean for a single pair, whose interval is unknown
  double high = 0;
  bool has_interval = false;
};
PairedDifference ComparePairs(std::span<const double> a, std::span<const double> b);

}  // namespace ixc
