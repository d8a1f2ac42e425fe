#include "eval/statistics.h"

#include <array>
#include <cmath>
#include <numeric>

namespace ixc {

double Mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double StudentT95(int64_t degrees) {
  constexpr std::array<double, 10> kSmall = {12.706204736, 4.302652730, 3.182446305, 2.776445105,
                                             2.570581836,  2.446911851, 2.364624252, 2.306004135,
                                             2.262157163,  2.228138852};
  if (degrees <= std::ssize(kSmall)) return kSmall[static_cast<size_t>(degrees - 1)];
  // Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun 26.7.5); from 11
  // degrees on its error is below 1e-5.
  constexpr double z = 1.959963984540054;
  const double n = static_cast<double>(degrees);
  const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, z9 = z7 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n) +
         (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * n * n * n * n);
}

PairedDifference ComparePairs(std::span<const double> a, std::span<const double> b) {
  PairedDifference result;
  result.mean = Mean(a) - Mean(b);
  result.low = result.high = result.mean;
  if (a.size() < 2) return result;
  double square = 0;
  for (size_t i = 0; i < a.size(); ++i) square += std::pow(a[i] - b[i] - result.mean, 2);
  const double n = static_cast<double>(a.size());
  const double half = StudentT95(std::ssize(a) - 1) * std::sqrt(square / (n - 1) / n);
  result.low -= half;
  result.high += half;
  result.has_interval = true;
  return result;
}

}  // namespace ixc
