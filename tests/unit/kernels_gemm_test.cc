// Matrix products: every row of the table against a double-precision sum with a computed bound and
// against the scalar row, and bit-equality over rows, threads and instruction sets.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/gemm/gemm_table.h"
#include "unit/kernels_test_util.h"
#include "unit/low_rank_cases.h"

namespace ixc {

void PrintTo(const GemmKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

ThreadPool& Pool() {
  static ThreadPool pool(1);
  return pool;
}

constexpr int64_t kRows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 29};
constexpr int64_t kOutputs[] = {1, 15, 16, 17, 33, 100};
constexpr int64_t kInputs[] = {1, 2, 15, 64, 300};

PackedMatrix PackRandom(int64_t n, int64_t k, DType dtype, uint32_t seed) {
  const auto values = RandomFloats(static_cast<size_t>(n * k), seed);
  const EncodedTensor tensor(values, {n, k}, DType::kF32);
  return PackMatrix(std::span(&tensor.view, 1), dtype, {}, {Isa::kScalar, &Pool()});
}

// The packed weights as [n, k] in double.
std::vector<double> Unpack(const PackedMatrix& w) {
  const auto packed = ReadAsFloat({w.dtype, {w.NumPanels() * 16 * w.k}, w.data.data()}, "packed");
  std::vector<double> weights;
  for (int64_t output = 0; output < w.n; ++output) {
    for (int64_t i = 0; i < w.k; ++i) {
      const int64_t index = (output / 16 * w.k + i) * 16 + output % 16;
      weights.push_back(static_cast<double>(packed[static_cast<size_t>(index)]));
    }
  }
  return weights;
}

struct Expected {
  double value;
  double magnitude;  // sum of the products' magnitudes
};

Expected Dot(const float* x, const std::vector<double>& weights, int64_t output, int64_t k) {
  Expected sum{0, 0};
  for (int64_t i = 0; i < k; ++i) {
    const double product = static_cast<double>(x[i]) * weights[static_cast<size_t>(output * k + i)];
    sum.value += product;
    sum.magnitude += std::abs(product);
  }
  return sum;
}

class GemmRowTest : public testing::TestWithParam<GemmKernel> {};

TEST_P(GemmRowTest, MeetsTheSumInDoubleOnAGridOfShapes) {
  const GemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const Compute compute{kernel.isa, &Pool()};
  for (int64_t n : kOutputs) {
    for (int64_t k : kInputs) {
      const PackedMatrix w = PackRandom(n, k, kernel.dtype, 7);
      const std::vector<double> weights = Unpack(w);
      for (int64_t rows : kRows) {
        if (rows < kernel.min_rows || rows > kernel.max_rows) continue;
        StridedMatrix x(rows, k, k + 3, 1e30f), y(rows, n, n + 5, -7.0f);
        Fill(x.view, 11);
        kernel.run({x.view, &w, y.view, {}}, compute);
        ASSERT_TRUE(y.GapsHold(-7.0f));
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t j = 0; j < n; j += 1 + n / 7) {
            const Expected expected = Dot(x.view.Row(row), weights, j, k);
            ASSERT_NEAR(y.view.Row(row)[j], expected.value, Gamma(k) * expected.magnitude)
                << rows << " rows, n " << n << ", k " << k << ", at " << row << ", " << j;
          }
        }
      }
    }
  }
}

TEST_P(GemmRowTest, MeetsTheScalarRow) {
  const GemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const int64_t rows = std::min(kernel.max_rows, 29), n = 83, k = 530;
  const PackedMatrix w = PackRandom(n, k, kernel.dtype, 3);
  const std::vector<double> weights = Unpack(w);
  StridedMatrix x(rows, k, k, 0), y(rows, n, n, 0), twin(rows, n, n, 0);
  Fill(x.view, 5);
  std::vector<float> bias = RandomFloats(n, 6);
  Fill(y.view, 8);
  Fill(twin.view, 8);
  const GemmEpilogue epilogue{bias.data(), Activation::kNone, 0.5f, true};
  kernel.run({x.view, &w, y.view, epilogue}, {kernel.isa, &Pool()});
  GemmPlain({x.view, &w, twin.view, epilogue}, {Isa::kScalar, &Pool()});
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t j = 0; j < n; ++j) {
      const Expected expected = Dot(x.view.Row(row), weights, j, k);
      const double whole = expected.magnitude + std::abs(bias[static_cast<size_t>(j)]) + 4;
      ASSERT_NEAR(y.view.Row(row)[j], twin.view.Row(row)[j], 2 * Gamma(k + 3) * whole);
    }
  }
}

// In the product's own tasks and as products behind it: the same bits.
TEST_P(GemmRowTest, LowRankTermsAreThoseOfProductsBehindIt) {
  const GemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const Compute compute{kernel.isa, &Pool()};
  const int64_t k = 300;
  for (int64_t rows : {1, 3, 12, 13, 29, 200, 1300}) {
    if (rows < kernel.min_rows || rows > kernel.max_rows || (SmallGrid() && rows > 29)) continue;
    for (int64_t n : {20, 150, 700}) {
      if (SmallGrid() && n > 150) continue;
      if (rows == 1300 && (n > 20 || kernel.isa == Isa::kScalar)) continue;
      for (int64_t rank : {5, 16, 270}) {
        const PackedMatrix w = PackRandom(n, k, kernel.dtype, 3);
        const LowRankCase low_rank(rows, n, k, rank);
        StridedMatrix x(rows, k, k + 1, 1e30f);
        Fill(x.view, 5);
        const auto product = [&](MatrixView y, std::span<const LowRankTerm> terms) {
          kernel.run({x.view, &w, y, {}, terms}, compute);
        };
        ASSERT_TRUE(HasTermsBehind(x.view, n, low_rank.terms, compute, product))
            << rows << " rows, n " << n << ", rank " << rank;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, GemmRowTest,
                         testing::ValuesIn(GemmKernels().begin(), GemmKernels().end()),
                         RowName<GemmKernel>);

double Activate(double z, Activation activation) {
  if (activation == Activation::kQuickGelu) return z / (1 + std::exp(-1.702 * z));
  if (activation == Activation::kGelu) return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)));
  return z;
}

TEST(Gemm, EpilogueAddsBiasActivatesScalesAndAccumulates) {
  const int64_t rows = 9, n = 37, k = 40;
  const PackedMatrix w = PackRandom(n, k, DType::kF32, 1);
  const std::vector<double> weights = Unpack(w);
  const std::vector<float> bias = RandomFloats(n, 2);
  for (Isa isa : SupportedIsas()) {
    for (Activation activation : {Activation::kNone, Activation::kQuickGelu, Activation::kGelu}) {
      for (bool accumulate : {false, true}) {
        StridedMatrix x(rows, k, k, 0), y(rows, n, n, 0);
        Fill(x.view, 3, 0.3f);
        Fill(y.view, 4);
        const std::vector<float> before = y.values;
        Gemm(x.view, w, y.view, {bias.data(), activation, 0.25f, accumulate}, {isa, &Pool()});
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t j = 0; j < n; ++j) {
            const size_t at = static_cast<size_t>(row * n + j);
            const Expected dot = Dot(x.view.Row(row), weights, j, k);
            const double z = dot.value + static_cast<double>(bias[static_cast<size_t>(j)]);
            const double old = accumulate ? static_cast<double>(before[at]) : 0.0;
            // All three activations have slopes below 1.2; erf and exp are good to 2e-7.
            const double bound = 1.2 * Gamma(k + 4) * (dot.magnitude + std::abs(z)) +
                                 2e-7 * std::abs(z) + 4 * kEps * (std::abs(old) + std::abs(z));
            ASSERT_NEAR(y.values[at], old + 0.25 * Activate(z, activation), bound)
                << Name(isa) << " activation " << static_cast<int>(activation);
          }
        }
      }
    }
  }
}

TEST(Gemm, ResultsDoNotDependOnRowsOrThreads) {
  const int64_t rows = 61, n = 150, k = 700;
  for (Isa isa : SupportedIsas()) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      const PackedMatrix w = PackRandom(n, k, dtype, 1);
      const std::vector<float> bias = RandomFloats(n, 2);
      const GemmEpilogue epilogue{bias.data(), Activation::kQuickGelu, 1.0f, false};
      StridedMatrix x(rows, k, k, 0), whole(rows, n, n, 0);
      Fill(x.view, 3);
      Gemm(x.view, w, whole.view, epilogue, {isa, &Pool()});
      for (int threads = 1; threads <= TeamOf(3); ++threads) {
        ThreadPool pool(threads);
        for (int64_t chunk : {1, 2, 5, 6, 7, 16, 50, 61}) {
          StridedMatrix y(rows, n, n, 0);
          for (int64_t row = 0; row < rows; row += chunk) {
            const int64_t count = std::min(chunk, rows - row);
            Gemm(x.view.Rows(row, count), w, y.view.Rows(row, count), epilogue, {isa, &pool});
          }
          ASSERT_TRUE(SameBits(y.values, whole.values))
              << Name(isa) << " " << Name(dtype) << " in chunks of " << chunk << ", " << threads
              << " threads";
        }
      }
    }
  }
}

TEST(Gemm, LowRankTermsMeetTheSumInDouble) {
  const int64_t rows = 40, n = 50, k = 70, rank = 9;
  const PackedMatrix w = PackRandom(n, k, DType::kF32, 1);
  const LowRankCase low_rank(rows, n, k, rank);
  for (Isa isa : SupportedIsas()) {
    StridedMatrix x(rows, k, k, 0), y(rows, n, n, 0), plain(rows, n, n, 0);
    Fill(x.view, 3);
    Gemm(x.view, w, y.view, {}, {isa, &Pool()}, low_rank.terms);
    Gemm(x.view, w, plain.view, {}, {isa, &Pool()});
    std::vector<double> expected(plain.values.begin(), plain.values.end());
    for (const LowRankTerm& term : low_rank.terms) {
      const std::vector<double> a = Unpack(*term.a), b = Unpack(*term.b);
      for (const RowRange& range : term.rows) {
        for (int64_t row = range.begin; row < range.end; ++row) {
          for (int64_t r = 0; r < term.a->n; ++r) {
            const double low = Dot(x.view.Row(row), a, r, k).value;
            for (int64_t j = 0; j < term.b->n; ++j) {
              expected[static_cast<size_t>(row * n + term.first_output + j)] +=
                  static_cast<double>(term.scale) * low * b[static_cast<size_t>(j * term.a->n + r)];
            }
          }
        }
      }
    }
    // Terms are sums of ten products of values below 10: far below this where something is amiss.
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(y.values[i], expected[i], 2e-5);
    // The row between the two pictures and the first and last have the ordinary LoRA only.
    EXPECT_EQ(low_rank.images[0].end + 1, low_rank.images[1].begin);
  }
}

// So many inputs that packed activations of all rows are more than a pass takes.
TEST(Gemm, LowRankTermsInSeveralPasses) {
  if (SmallGrid()) return;  // nothing of it is a matter of the instruction set
  const int64_t rows = 200, n = 40, k = 35000;
  const PackedMatrix w = PackRandom(n, k, DType::kF16, 3);
  const LowRankCase low_rank(rows, n, k, 5);
  StridedMatrix x(rows, k, k, 0);
  Fill(x.view, 5);
  for (Isa isa : SupportedIsas()) {
    const Compute compute{isa, &Pool()};
    const auto product = [&](MatrixView y, std::span<const LowRankTerm> terms) {
      Gemm(x.view, w, y, {}, compute, terms);
    };
    EXPECT_TRUE(HasTermsBehind(x.view, n, low_rank.terms, compute, product)) << Name(isa);
  }
}

TEST(Gemm, VectorInstructionSetsAgreeToTheBit) {
  if (!IsSupported(Isa::kAvx512)) GTEST_SKIP() << "this machine has no avx512";
  const int64_t rows = 30, n = 90, k = 600;
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const PackedMatrix w = PackRandom(n, k, dtype, 1);
    StridedMatrix x(rows, k, k, 0), avx2(rows, n, n, 0), avx512(rows, n, n, 0);
    Fill(x.view, 3);
    const GemmEpilogue epilogue{nullptr, Activation::kGelu, 1.0f, false};
    Gemm(x.view, w, avx2.view, epilogue, {Isa::kAvx2, &Pool()});
    Gemm(x.view, w, avx512.view, epilogue, {Isa::kAvx512, &Pool()});
    EXPECT_TRUE(SameBits(avx2.values, avx512.values)) << Name(dtype);
  }
}

TEST(Gemm, NoRowsAndNoInputs) {
  for (Isa isa : SupportedIsas()) {
    const PackedMatrix w = PackRandom(20, 0, DType::kF32, 1);
    Gemm({nullptr, 0, 0, 0}, w, {nullptr, 0, 20, 20}, {}, {isa, &Pool()});
    for (int64_t rows : {1, 40}) {
      StridedMatrix y(rows, 20, 20, 5.0f);
      Gemm({nullptr, rows, 0, 0}, w, y.view, {}, {isa, &Pool()});
      EXPECT_EQ(y.values, std::vector<float>(y.values.size(), 0.0f)) << "a sum of nothing is 0";
    }
  }
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
  const PackedMatrix w = PackRandom(20, 8, DType::kF32, 1);
  StridedMatrix x(3, 8, 8, 0), y(3, 20, 20, 0);
  const Compute compute{Isa::kScalar, &Pool()};
  EXPECT_THROW(Gemm(x.view.Cols(0, 7), w, y.view, {}, compute), Error);
  EXPECT_THROW(Gemm(x.view, w, y.view.Cols(0, 19), {}, compute), Error);
  EXPECT_THROW(Gemm(x.view, w, y.view.Rows(0, 2), {}, compute), Error);
}

}  // namespace
}  // namespace ixc
