// Norms, rotary embedding and element-wise steps: every row of the tables against double precision.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/activation/activation.h"
#include "kernels/activation/activation_table.h"
#include "kernels/norm/norm.h"
#include "kernels/norm/norm_table.h"
#include "kernels/rope/rope.h"
#include "kernels/rope/rope_table.h"
#include "unit/kernels_test_util.h"

namespace ixc {

void PrintTo(const NormKernel& kernel, std::ostream* out) { *out << kernel.name; }
void PrintTo(const RopeKernel& kernel, std::ostream* out) { *out << kernel.name; }
void PrintTo(const ActivationKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

ThreadPool& Pool() {
  static ThreadPool pool(1);
  return pool;
}

constexpr int64_t kColumns[] = {1, 5, 16, 31, 64, 1000, 4096};

class NormRowTest : public testing::TestWithParam<NormKernel> {};

TEST_P(NormRowTest, RmsNormMeetsDouble) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (int64_t cols : kColumns) {
    StridedMatrix x(3, cols, cols + 3, 1e30f), y(3, cols, cols + 1, -7.0f);
    Fill(x.view, 1, 3.0f);
    const std::vector<float> weight = RandomFloats(static_cast<size_t>(cols), 2);
    RmsNorm(x.view, weight.data(), 1e-5f, y.view, {GetParam().isa, &Pool()});
    ASSERT_TRUE(y.GapsHold(-7.0f));
    for (int64_t row = 0; row < 3; ++row) {
      double squares = 0;
      for (int64_t j = 0; j < cols; ++j) squares += std::pow(x.view.Row(row)[j], 2.0);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(cols) + 1e-5);
      for (int64_t j = 0; j < cols; ++j) {
        const double expected = static_cast<double>(x.view.Row(row)[j]) * inverse *
                                static_cast<double>(weight[static_cast<size_t>(j)]);
        // All squares are positive: the sum's relative error is gamma, halved by the root.
        ASSERT_NEAR(y.view.Row(row)[j], expected,
                    (Gamma(cols / 16 + 6) / 2 + 6 * kEps) * std::abs(expected));
      }
    }
  }
}

TEST_P(NormRowTest, LayerNormMeetsDouble) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (int64_t cols : kColumns) {
    StridedMatrix x(3, cols, cols, 0);
    Fill(x.view, 1, 3.0f);
    for (float& value : x.values) value += 2.0f;
    const std::vector<float> weight = RandomFloats(static_cast<size_t>(cols), 2);
    const std::vector<float> bias = RandomFloats(static_cast<size_t>(cols), 3);
    StridedMatrix y = x;
    y.view.data = y.values.data();
    LayerNorm(y.view, weight.data(), bias.data(), 1e-5f, y.view, {GetParam().isa, &Pool()});
    for (int64_t row = 0; row < 3; ++row) {
      double mean = 0, magnitude = 0, variance = 0;
      for (int64_t j = 0; j < cols; ++j) mean += static_cast<double>(x.view.Row(row)[j]);
      mean /= static_cast<double>(cols);
      for (int64_t j = 0; j < cols; ++j) {
        magnitude = std::max(magnitude, std::abs(static_cast<double>(x.view.Row(row)[j])));
        variance += std::pow(static_cast<double>(x.view.Row(row)[j]) - mean, 2.0);
      }
      variance /= static_cast<double>(cols);
      const double inverse = 1 / std::sqrt(variance + 1e-5);
      for (int64_t j = 0; j < cols; ++j) {
        const double w = static_cast<double>(weight[static_cast<size_t>(j)]);
        const double b = static_cast<double>(bias[static_cast<size_t>(j)]);
        const double z = (static_cast<double>(x.view.Row(row)[j]) - mean) * inverse;
        // The mean is off by gamma times the magnitudes; that shifts z, and its square adds to
        // the variance (only to second order: the deviations sum to zero).
        const double shift = Gamma(cols / 16 + 6) * magnitude * inverse;
        const double bound =
            (shift * (1 + std::abs(z)) + (Gamma(cols / 16 + 6) + 8 * kEps) * std::abs(z)) *
                std::abs(w) +
            2 * kEps * std::abs(b);
        ASSERT_NEAR(y.view.Row(row)[j], z * w + b, bound) << cols;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, NormRowTest,
                         testing::ValuesIn(NormKernels().begin(), NormKernels().end()),
                         RowName<NormKernel>);

class RopeRowTest : public testing::TestWithParam<RopeKernel> {};

TEST_P(RopeRowTest, RotatesPairs) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (int head_dim : {2, 10, 16, 24, 32, 64, 128}) {
    const int64_t rows = 4, cols = 3 * head_dim;
    const int half = head_dim / 2;
    StridedMatrix x(rows, cols, cols + 2, -7.0f), cos(rows, half, half, 0),
        sin(rows, half, half, 0);
    Fill(x.view, 1);
    const auto angles = RandomFloats(static_cast<size_t>(rows * half), 2, 100.0f);
    for (size_t i = 0; i < angles.size(); ++i) {
      cos.values[i] = std::cos(angles[i]);
      sin.values[i] = std::sin(angles[i]);
    }
    const std::vector<float> before = Contents(x.view);
    ApplyRope(x.view, head_dim, cos.view, sin.view, {GetParam().isa, &Pool()});
    ASSERT_TRUE(x.GapsHold(-7.0f));
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = 0; j < cols; ++j) {
        const int64_t d = j % head_dim, pair = d < half ? j + half : j - half;
        const float c = cos.view.Row(row)[d % half], s = sin.view.Row(row)[d % half];
        const float a = before[static_cast<size_t>(row * cols + j)] * c;
        const float b = before[static_cast<size_t>(row * cols + pair)] * s;
        // Every product and sum is rounded by itself, so the bits are known.
        ASSERT_EQ(x.view.Row(row)[j], d < half ? a - b : a + b);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, RopeRowTest,
                         testing::ValuesIn(RopeKernels().begin(), RopeKernels().end()),
                         RowName<RopeKernel>);

class ActivationRowTest : public testing::TestWithParam<ActivationKernel> {};

TEST_P(ActivationRowTest, SiluMulMeetsDouble) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  std::vector<float> gates;
  for (float z = -100.0f; z < 100.0f; z += 0.037f) gates.push_back(z);
  for (float z : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e30f, -1e30f}) gates.push_back(z);
  const auto count = static_cast<int64_t>(gates.size());
  StridedMatrix gate(1, count, count, 0), up(1, count, count, 2.0f);
  gate.values = gates;
  gate.view.data = gate.values.data();
  SiluMul(gate.view, up.view, up.view, {GetParam().isa, &Pool()});
  for (size_t i = 0; i < gates.size(); ++i) {
    const double z = static_cast<double>(gates[i]);
    const double expected = 2 * z / (1 + std::exp(-z));
    // exp 2 ulp, 1 + e, division, two products; beyond exp's range the result is below 1e-35.
    ASSERT_NEAR(up.values[i], expected, 12 * kEps * std::abs(expected) + 1e-35) << z;
  }
}

TEST_P(ActivationRowTest, AddsInPlace) {
  IXC_SKIP_IF_UNSUPPORTED(GetParam().isa);
  for (int64_t cols : kColumns) {
    StridedMatrix x(2, cols, cols + 1, 1e30f), y(2, cols, cols + 4, -7.0f);
    Fill(x.view, 1);
    Fill(y.view, 2);
    const std::vector<float> a = Contents(x.view), b = Contents(y.view);
    AddInPlace(x.view, y.view, {GetParam().isa, &Pool()});
    ASSERT_TRUE(y.GapsHold(-7.0f));
    const std::vector<float> sum = Contents(y.view);
    for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(sum[i], a[i] + b[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ActivationRowTest,
                         testing::ValuesIn(ActivationKernels().begin(), ActivationKernels().end()),
                         RowName<ActivationKernel>);

TEST(Rows, RefuseShapesThatDoNotFit) {
  StridedMatrix a(2, 12, 12, 0), b(2, 13, 13, 0), half(2, 3, 3, 0);
  const Compute compute{Isa::kScalar, &Pool()};
  EXPECT_THROW(AddInPlace(a.view, b.view, compute), Error);
  EXPECT_THROW(SiluMul(a.view, b.view, a.view, compute), Error);
  EXPECT_THROW(RmsNorm(a.view, nullptr, 0, b.view, compute), Error);
  EXPECT_THROW(ApplyRope(a.view, 5, half.view, half.view, compute), Error);
  EXPECT_THROW(ApplyRope(a.view, 4, half.view, half.view, compute), Error);
}

}  // namespace
}  // namespace ixc
