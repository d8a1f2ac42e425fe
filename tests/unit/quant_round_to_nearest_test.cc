#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/qgemm/qgemm.h"
#include "quant/round_to_nearest.h"
#include "unit/kernels_test_util.h"

namespace ixc {
namespace {

// The number vectors of the original quantizer for W8A8.
TEST(RoundToNearest, EightBitsAreTheOriginals) {
  const float rows[2][8] = {{.10f, -.20f, .30f, -.40f, .05f, 0, .70f, -.90f},
                            {.08f, .09f, -.11f, .12f, -.13f, .14f, -.15f, .16f}};
  const int8_t expected[2][8] = {{14, -28, 42, -56, 7, 0, 99, -127},
                                 {63, 71, -87, 95, -103, 111, -119, 127}};
  const float scales[2] = {0.0070866141f, 0.0012598425f};
  for (int row = 0; row < 2; ++row) {
    int8_t q[8];
    EXPECT_FLOAT_EQ(RoundToEightBits(rows[row], q), scales[row]);
    EXPECT_EQ(std::vector<int8_t>(q, q + 8), std::vector<int8_t>(expected[row], expected[row] + 8));
  }
  const std::vector<float> zeros(8);
  int8_t q[8];
  EXPECT_EQ(RoundToEightBits(zeros, q), 0x1p-23f);
  EXPECT_EQ(q[0], 0);
}

TEST(RoundToNearest, FourBitsMeetTheLargestWeightAndStayWithinHalfAStep) {
  std::vector<float> weights = RandomFloats(96, 3);
  for (size_t i = 32; i < 64; ++i) weights[i] = 0.0f;
  std::vector<int8_t> q(96);
  std::vector<float> scales(3);
  RoundToFourBits(weights, 32, q, scales);
  EXPECT_EQ(scales[1], 0.0f);
  for (size_t i = 0; i < 96; ++i) {
    const float step = std::abs(scales[i / 32]);
    EXPECT_GE(q[i], -8);
    EXPECT_LE(q[i], 7);
    // A weight near the other end of the range may be a whole step away.
    const float bound = q[i] == 7 ? step : 0.5f * step;
    EXPECT_NEAR(static_cast<float>(q[i]) * scales[i / 32], weights[i], bound * 1.001f);
  }
}

TEST(RoundToNearest, MatricesComeCloseToTheFloats) {
  ThreadPool pool(2);
  const Compute compute{BestIsa(), &pool};
  const int64_t n = 50, k = 256, rows = 3;
  const std::vector<float> values = RandomFloats(static_cast<size_t>(n * k), 1);
  const EncodedTensor tensor(values, {n, k}, DType::kF16);
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t row = 0; row < n; ++row) order[static_cast<size_t>(row)] = n - 1 - row;
  StridedMatrix x(rows, k, k, 0);
  Fill(x.view, 2);
  struct Case {
    LoadScheme scheme;
    double error;  // relative, of the whole product
  };
  // Half a step of 127 or 8 levels over the spread of a normal distribution, at most.
  for (const Case& given :
       {Case{{QuantScheme::kW8A8D, 0}, 0.02}, Case{{QuantScheme::kW4, 32}, 0.12},
        Case{{QuantScheme::kW4, 128}, 0.15}}) {
    const QuantizedMatrix w = RoundMatrix(std::span(&tensor.view, 1), order, given.scheme, compute);
    StridedMatrix y(rows, n, n, 0);
    QuantizedGemm(x.view, w, y.view, {}, compute);
    double error = 0, size = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          sum += static_cast<double>(x.view.Row(row)[i]) *
                 static_cast<double>(values[static_cast<size_t>((n - 1 - j) * k + i)]);
        }
        error += std::pow(sum - static_cast<double>(y.view.Row(row)[j]), 2);
        size += sum * sum;
      }
    }
    EXPECT_LT(std::sqrt(error / size), given.error) << Name(given.scheme.scheme);
    EXPECT_GT(std::sqrt(error / size), given.error / 20) << "too good to be quantized";
  }
}

TEST(RoundToNearest, Refusals) {
  ThreadPool pool(1);
  const Compute compute{Isa::kScalar, &pool};
  std::vector<float> values(64, 1.0f);
  values[40] = std::numeric_limits<float>::quiet_NaN();
  const EncodedTensor tensor(values, {2, 32}, DType::kF32);
  const std::span part(&tensor.view, 1);
  try {
    RoundMatrix(part, {}, {QuantScheme::kW8A8D, 0}, compute);
    FAIL() << "a NaN was quantized";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[1, 8]"), std::string::npos) << error.what();
  }
  EXPECT_THROW(RoundMatrix(part, {}, {QuantScheme::kW8A8, 0}, compute), Error);
}

}  // namespace
}  // namespace ixc
