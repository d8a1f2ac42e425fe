#include <gtest/gtest.h>

#include <vector>

#include "eval/statistics.h"

namespace ixc {
namespace {

// scipy.stats.t.ppf(0.975, n)
TEST(StudentT, Quantiles) {
  EXPECT_NEAR(StudentT95(1), 12.706204736432095, 1e-8);
  EXPECT_NEAR(StudentT95(10), 2.2281388519649385, 1e-8);
  EXPECT_NEAR(StudentT95(11), 2.200985160082949, 2e-5);
  EXPECT_NEAR(StudentT95(29), 2.045229642132703, 1e-6);
  EXPECT_NEAR(StudentT95(100), 1.983971518523552, 1e-7);
  EXPECT_NEAR(StudentT95(1'000'000), 1.9599663, 1e-6);
}

// The sleep data of Student (1908): mean difference 1.58, interval 0.7001 to 2.4599.
TEST(ComparePairs, StudentsOwnExample) {
  const std::vector<double> a = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const std::vector<double> b = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
  const PairedDifference difference = ComparePairs(a, b);
  EXPECT_NEAR(difference.mean, 1.58, 1e-12);
  EXPECT_NEAR(difference.low, 0.7001142, 1e-6);
  EXPECT_NEAR(difference.high, 2.4598858, 1e-6);
  EXPECT_TRUE(difference.has_interval);
}

TEST(ComparePairs, OnePairHasNoInterval) {
  const std::vector<double> a = {1}, b = {0.25};
  EXPECT_FALSE(ComparePairs(a, b).has_interval);
  EXPECT_EQ(ComparePairs(a, b).mean, 0.75);
  EXPECT_EQ(ComparePairs(a, a).mean, 0);
}

}  // namespace
}  // namespace ixc
