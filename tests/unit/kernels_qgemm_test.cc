// Products of integer weights: the scalar row against the formulas, every other row against the
// scalar row to the bit, over a grid of shapes and over rows and threads.
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/qgemm/qgemm_table.h"
#include "unit/kernels_test_util.h"
#include "unit/low_rank_cases.h"

namespace ixc {

void PrintTo(const QGemmKernel& kernel, std::ostream* out) { *out << kernel.name; }

namespace {

ThreadPool& Pool() {
  static ThreadPool pool(1);
  return pool;
}

constexpr QuantScheme kSchemes[] = {QuantScheme::kW8A8, QuantScheme::kW8A8S, QuantScheme::kW8A8D,
                                    QuantScheme::kW4};

// Integers over the whole range of the scheme; of w8a8s one in 50 is an outlier.
QuantizedMatrix PackRandom(const QuantizedShape& shape, uint32_t seed) {
  const auto fill = [&](int64_t row, const QuantizedRow& to) {
    std::minstd_rand random(seed + static_cast<uint32_t>(row));
    const auto below = [&](int count) { return static_cast<int>((random() >> 8) % count); };
    for (int8_t& weight : to.weights) {
      const bool eight_bits = shape.scheme != QuantScheme::kW4 &&
                              (shape.scheme != QuantScheme::kW8A8S || below(50) == 0);
      weight = static_cast<int8_t>(eight_bits ? below(255) - 127 : below(16) - 8);
    }
    for (float& scale : to.group_scales) scale = static_cast<float>(below(100) - 50) * 0.001f;
  };
  QuantizedMatrix w = PackQuantized(shape, fill, {Isa::kScalar, &Pool()});
  const auto scales = RandomFloats(static_cast<size_t>(shape.n), seed, 0.01f);
  for (size_t j = 0; j < scales.size(); ++j) {
    if (!w.output_scale.empty()) w.output_scale[j] = std::abs(scales[j]);
    if (!w.output_bias.empty()) w.output_bias[j] = static_cast<int32_t>(j * 977 % 5000) - 2500;
  }
  w.input_scale = 0.021f;
  w.input_offset = -14;
  return w;
}

// The groups that a shape is tried with.
std::vector<int64_t> GroupsOf(QuantScheme scheme) {
  if (scheme != QuantScheme::kW4) return {0};
  return {32, 64, 128};
}

// Activations as the formulas say, without the kernels.
struct Activations {
  std::vector<int> q;
  float scale = 1.0f;
};

Activations QuantizeByFormula(const float* x, const QuantizedMatrix& w) {
  Activations row;
  float largest = 0;
  for (int64_t i = 0; i < w.k; ++i) largest = std::max(largest, std::abs(x[i]));
  if (!w.has_static_input()) row.scale = std::max(largest / 127.0f, 0x1p-126f);
  for (int64_t i = 0; i < w.k; ++i) {
    const float value =
        w.has_static_input()
            ? std::nearbyint(x[i] / w.input_scale + static_cast<float>(w.input_offset))
            : std::nearbyint(x[i] / row.scale);
    row.q.push_back(
        static_cast<int>(std::clamp(value, w.has_static_input() ? -128.0f : -127.0f, 127.0f)));
  }
  return row;
}

float DotByFormula(const Activations& row, const QuantizedMatrix& w, int64_t output) {
  const auto at = static_cast<size_t>(output);
  int32_t sum = w.output_bias.empty() ? 0 : w.output_bias[at];
  float groups = 0.0f;
  for (int64_t i = 0; i < w.k; ++i) {
    sum += UnpackWeight(w, output, i) * row.q[static_cast<size_t>(i)];
    const bool ends = w.group != 0 && (i + 1 == w.k || (i + 1) % w.group == 0);
    if (!ends) continue;
    Half half;
    const int64_t scale = (output / 16 * w.NumGroups() + i / w.group) * 16 + output % 16;
    std::memcpy(&half, w.group_scales.data() + scale * 2, 2);
    groups = std::fma(static_cast<float>(sum), ToFloat(half), groups);
    sum = 0;
  }
  if (w.group != 0) return groups * row.scale;
  return static_cast<float>(sum) * w.output_scale[at] * row.scale;
}

TEST(QuantizedMatrix, KeepsEveryInteger) {
  for (QuantScheme scheme : kSchemes) {
    for (int64_t n : {1, 16, 37}) {
      for (int64_t k : {1, 5, 64, 200}) {
        std::vector<int8_t> all(static_cast<size_t>(n * k));
        std::minstd_rand random(1);
        const int range = scheme == QuantScheme::kW4 ? 16 : 255;
        for (int8_t& value : all) {
          value = static_cast<int8_t>(
              static_cast<int>((random() >> 8) % static_cast<uint32_t>(range)) - range / 2);
        }
        const auto fill = [&](int64_t row, const QuantizedRow& to) {
          std::copy_n(all.begin() + row * k, k, to.weights.begin());
        };
        const QuantizedMatrix w = PackQuantized({scheme, n, k, scheme == QuantScheme::kW4 ? 32 : 0},
                                                fill, {Isa::kScalar, &Pool()});
        for (int64_t row = 0; row < n; ++row) {
          for (int64_t i = 0; i < k; ++i) {
            ASSERT_EQ(UnpackWeight(w, row, i), all[static_cast<size_t>(row * k + i)])
                << Name(scheme) << " [" << row << ", " << i << "]";
          }
        }
      }
    }
  }
}

TEST(QuantizedMatrix, RefusesImpossibleGroups) {
  const auto fill = [](int64_t, const QuantizedRow&) {};
  const Compute compute{Isa::kScalar, &Pool()};
  EXPECT_THROW(PackQuantized({QuantScheme::kW4, 16, 64, 48}, fill, compute), Error);
  EXPECT_THROW(PackQuantized({QuantScheme::kW8A8, 16, int64_t{1} << 24, 0}, fill, compute), Error);
}

// The number vectors of the original quantizer: weights 4 x 8, input_scale 0.02, input_offset -14.
TEST(QuantizedGemm, MeetsTheOriginalsNumbers) {
  const int8_t w8a8[4][8] = {{14, -28, 42, -56, 7, 0, 99, -127},
                             {0, 1, -1, 1, -1, 2, -2, 127},
                             {127, -21, 30, 38, -47, 55, 13, -4},
                             {63, 71, -87, 95, -103, 111, -119, 127}};
  const int8_t w8a8s[4][8] = {{1, -2, 2, -3, 0, 0, 5, -7},
                              {1, 2, -3, 4, -5, 6, -7, 127},
                              {16, -3, 4, 5, -6, 7, 2, -1},
                              {4, 4, -5, 5, -6, 6, -7, 7}};
  const int32_t bias[2][4] = {{-686, 1778, 2674, 2212}, {-56, 1750, 336, 112}};
  const uint32_t deq_scale[2][4] = {{957652472, 978217376, 964145651, 936598995},
                                    {992511337, 961656599, 989031262, 972008620}};
  const float x[8] = {0.5f, -1.0f, 0.25f, 2.0f, -0.01f, 0.3f, 3.5f, -4.0f};
  const int q[8] = {11, -64, -2, 86, -14, 1, 127, -128};  // round half to even, clamped
  for (int sparse = 0; sparse < 2; ++sparse) {
    const auto& weights = sparse ? w8a8s : w8a8;
    const auto fill = [&](int64_t row, const QuantizedRow& to) {
      std::copy_n(weights[row], 8, to.weights.begin());
    };
    QuantizedMatrix w = PackQuantized({sparse ? QuantScheme::kW8A8S : QuantScheme::kW8A8, 4, 8, 0},
                                      fill, {Isa::kScalar, &Pool()});
    w.input_scale = 0.02f;
    w.input_offset = -14;
    std::copy_n(bias[sparse], 4, w.output_bias.begin());
    for (size_t j = 0; j < 4; ++j) w.output_scale[j] = std::bit_cast<float>(deq_scale[sparse][j]);
    for (Isa isa : SupportedIsas()) {
      float y[4];
      QuantizedGemm({x, 1, 8, 8}, w, {y, 1, 4, 4}, {}, {isa, &Pool()});
      for (size_t j = 0; j < 4; ++j) {
        int32_t acc = bias[sparse][j];
        for (int i = 0; i < 8; ++i) acc += weights[j][i] * q[i];
        EXPECT_EQ(y[j], static_cast<float>(acc) * std::bit_cast<float>(deq_scale[sparse][j]))
            << Name(isa) << " output " << j;
      }
    }
  }
}

class QGemmRowTest : public testing::TestWithParam<QGemmKernel> {};

std::vector<QuantScheme> SchemesOf(QuantLayout layout) {
  std::vector<QuantScheme> schemes;
  for (QuantScheme scheme : kSchemes) {
    if (LayoutOf(scheme) == layout) schemes.push_back(scheme);
  }
  return schemes;
}

// One product by this row and by the scalar row; some against the formulas too.
void Compare(const QGemmKernel& kernel, const QuantizedMatrix& w, int64_t rows) {
  StridedMatrix x(rows, w.k, w.k + 3, 1e30f);
  StridedMatrix y(rows, w.n, w.n + 5, -7.0f), twin(rows, w.n, w.n + 5, -7.0f);
  Fill(x.view, 11);
  kernel.run({x.view, &w, y.view, {}}, {kernel.isa, &Pool()});
  QGemmPlain({x.view, &w, twin.view, {}}, {Isa::kScalar, &Pool()});
  ASSERT_TRUE(y.GapsHold(-7.0f));
  ASSERT_TRUE(SameBits(y.values, twin.values)) << Name(w.scheme) << ", " << rows << " rows, n "
                                               << w.n << ", k " << w.k << ", group " << w.group;
  const int64_t row = rows / 2;
  const Activations activations = QuantizeByFormula(x.view.Row(row), w);
  for (int64_t j = 0; j < w.n; j += 1 + w.n / 5) {
    ASSERT_EQ(y.view.Row(row)[j], DotByFormula(activations, w, j)) << Name(w.scheme) << " at " << j;
  }
}

TEST_P(QGemmRowTest, MeetsTheScalarRowAndTheFormulaOnAGridOfShapes) {
  const QGemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const std::vector<int64_t> outputs =
      SmallGrid() ? std::vector<int64_t>{17, 48} : std::vector<int64_t>{1, 15, 16, 17, 33, 100};
  for (QuantScheme scheme : SchemesOf(kernel.layout)) {
    for (int64_t group : GroupsOf(scheme)) {
      for (int64_t n : outputs) {
        for (int64_t k : {1, 31, 64, 200, 700}) {
          const QuantizedMatrix w = PackRandom({scheme, n, k, group}, 7);
          for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 29, 33}) {
            if (rows < kernel.min_rows || rows > kernel.max_rows) continue;
            if (SmallGrid() && rows > 7 && rows != 11 && rows != 29) continue;
            Compare(kernel, w, rows);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// The largest sums there can be: nothing may saturate or wrap.
TEST_P(QGemmRowTest, ExtremeValuesAreExact) {
  const QGemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const int64_t rows = std::min(kernel.max_rows, 9), n = 20, k = 1100;
  for (QuantScheme scheme : SchemesOf(kernel.layout)) {
    const bool four_bits = scheme == QuantScheme::kW4;
    for (int sign : {-1, 1}) {
      const auto fill = [&](int64_t row, const QuantizedRow& to) {
        for (size_t i = 0; i < to.weights.size(); ++i) {
          const int value = four_bits                                      ? (sign < 0 ? -8 : 7)
                            : scheme == QuantScheme::kW8A8S && i % 40 != 3 ? sign * 7
                                                                           : sign * 127;
          to.weights[i] =
              static_cast<int8_t>(row == 3 && i % 2 == 1 ? -value - (value == -8) : value);
        }
        for (float& scale : to.group_scales) scale = 1.0f;
      };
      QuantizedMatrix w =
          PackQuantized({scheme, n, k, four_bits ? 128 : 0}, fill, {Isa::kScalar, &Pool()});
      std::fill(w.output_scale.begin(), w.output_scale.end(), 1.0f);
      w.input_scale = 1.0f;
      for (float value : {-1000.0f, 1000.0f}) {
        StridedMatrix x(rows, k, k, value), y(rows, n, n, 0), twin(rows, n, n, 0);
        kernel.run({x.view, &w, y.view, {}}, {kernel.isa, &Pool()});
        QGemmPlain({x.view, &w, twin.view, {}}, {Isa::kScalar, &Pool()});
        EXPECT_TRUE(SameBits(y.values, twin.values)) << Name(scheme) << " sign " << sign;
      }
    }
  }
}

TEST_P(QGemmRowTest, BiasAndAccumulation) {
  const QGemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const int64_t rows = std::min(kernel.max_rows, 17), n = 83, k = 530;
  const std::vector<float> bias = RandomFloats(n, 6);
  for (QuantScheme scheme : SchemesOf(kernel.layout)) {
    const QuantizedMatrix w = PackRandom({scheme, n, k, scheme == QuantScheme::kW4 ? 64 : 0}, 3);
    StridedMatrix x(rows, k, k, 0), y(rows, n, n, 0), twin(rows, n, n, 0), plain(rows, n, n, 0);
    Fill(x.view, 5);
    Fill(y.view, 8);
    Fill(twin.view, 8);
    const std::vector<float> before = y.values;
    kernel.run({x.view, &w, y.view, {bias.data(), true}}, {kernel.isa, &Pool()});
    QGemmPlain({x.view, &w, twin.view, {bias.data(), true}}, {Isa::kScalar, &Pool()});
    QGemmPlain({x.view, &w, plain.view, {}}, {Isa::kScalar, &Pool()});
    EXPECT_TRUE(SameBits(y.values, twin.values)) << Name(scheme);
    for (size_t at = 0; at < before.size(); ++at) {
      const float added = plain.values[at] + bias[at % static_cast<size_t>(n)];
      ASSERT_EQ(twin.values[at], before[at] + added);
    }
  }
}

// More rows than a task takes at once.
TEST_P(QGemmRowTest, SeveralBlocksOfRows) {
  const QGemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  for (QuantScheme scheme : SchemesOf(kernel.layout)) {
    const int64_t group = scheme == QuantScheme::kW4 ? 32 : 0;
    Compare(kernel, PackRandom({scheme, 70, 90, group}, 9), std::min(kernel.max_rows, 1300));
  }
}

TEST_P(QGemmRowTest, LowRankTermsAreThoseOfProductsBehindIt) {
  const QGemmKernel& kernel = GetParam();
  IXC_SKIP_IF_UNSUPPORTED(kernel.isa);
  const Compute compute{kernel.isa, &Pool()};
  const int64_t k = 200;
  for (QuantScheme scheme : SchemesOf(kernel.layout)) {
    for (int64_t rows : {1, 5, 13, 40, 200, 1300}) {
      if (rows < kernel.min_rows || rows > kernel.max_rows || (SmallGrid() && rows > 40)) continue;
      const int64_t n = rows < 1000 ? 300 : 50;
      const QuantizedMatrix w = PackRandom({scheme, n, k, scheme == QuantScheme::kW4 ? 32 : 0}, 3);
      const LowRankCase low_rank(rows, n, k, 21);
      StridedMatrix x(rows, k, k + 1, 1e30f);
      Fill(x.view, 5);
      const auto product = [&](MatrixView y, std::span<const LowRankTerm> terms) {
        kernel.run({x.view, &w, y, {}, terms}, compute);
      };
      ASSERT_TRUE(HasTermsBehind(x.view, n, low_rank.terms, compute, product))
          << Name(scheme) << ", " << rows << " rows";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, QGemmRowTest,
                         testing::ValuesIn(QGemmKernels().begin(), QGemmKernels().end()),
                         RowName<QGemmKernel>);

TEST(QuantizedGemm, ResultsDoNotDependOnRowsThreadsOrInstructionSet) {
  const int64_t rows = SmallGrid() ? 20 : 45, n = 150, k = 700;
  for (QuantScheme scheme : kSchemes) {
    const QuantizedMatrix w =
        RandomQuantizedMatrix({scheme, n, k, scheme == QuantScheme::kW4 ? 32 : 0}, 1);
    StridedMatrix x(rows, k, k, 0), whole(rows, n, n, 0);
    Fill(x.view, 3);
    QuantizedGemm(x.view, w, whole.view, {}, {Isa::kScalar, &Pool()});
    for (Isa isa : SupportedIsas()) {
      for (int threads = 1; threads <= TeamOf(3); ++threads) {
        ThreadPool pool(threads);
        for (int64_t chunk : {1, 5, 7, 16, 45}) {
          StridedMatrix y(rows, n, n, 0);
          for (int64_t row = 0; row < rows; row += chunk) {
            const int64_t count = std::min(chunk, rows - row);
            QuantizedGemm(x.view.Rows(row, count), w, y.view.Rows(row, count), {}, {isa, &pool});
          }
          ASSERT_TRUE(SameBits(y.values, whole.values))
              << Name(isa) << " " << Name(scheme) << " in chunks of " << chunk << ", " << threads
              << " threads";
        }
      }
    }
  }
}

// So many inputs that packed activations of all rows are more than a pass takes.
TEST(QuantizedGemm, LowRankTermsInSeveralPasses) {
  if (SmallGrid()) return;  // nothing of it is a matter of the instruction set
  const int64_t rows = 200, n = 40, k = 35000;
  const QuantizedMatrix w = PackRandom({QuantScheme::kW8A8D, n, k, 0}, 3);
  const LowRankCase low_rank(rows, n, k, 5);
  StridedMatrix x(rows, k, k, 0);
  Fill(x.view, 5);
  for (Isa isa : SupportedIsas()) {
    const Compute compute{isa, &Pool()};
    const auto product = [&](MatrixView y, std::span<const LowRankTerm> terms) {
      QuantizedGemm(x.view, w, y, {}, compute, terms);
    };
    EXPECT_TRUE(HasTermsBehind(x.view, n, low_rank.terms, compute, product)) << Name(isa);
  }
}

TEST(QuantizedGemm, RowsOfZerosAndOfNothing) {
  for (Isa isa : SupportedIsas()) {
    for (QuantScheme scheme : {QuantScheme::kW8A8D, QuantScheme::kW4}) {
      const int64_t group = scheme == QuantScheme::kW4 ? 32 : 0;
      const QuantizedMatrix w = PackRandom({scheme, 20, 70, group}, 1);
      QuantizedGemm({nullptr, 0, 70, 70}, w, {nullptr, 0, 20, 20}, {}, {isa, &Pool()});
      const QuantizedMatrix empty = PackRandom({scheme, 20, 0, group}, 1);
      for (int64_t rows : {1, 40}) {
        StridedMatrix x(rows, 70, 70, 0.0f), y(rows, 20, 20, 5.0f);
        QuantizedGemm(x.view, w, y.view, {}, {isa, &Pool()});
        EXPECT_EQ(y.values, std::vector<float>(y.values.size(), 0.0f));
        StridedMatrix none(rows, 20, 20, 5.0f);
        QuantizedGemm({nullptr, rows, 0, 0}, empty, none.view, {}, {isa, &Pool()});
        EXPECT_EQ(none.values, std::vector<float>(none.values.size(), 0.0f));
      }
    }
  }
}

TEST(QuantizedGemm, RefusesShapesThatDoNotFit) {
  const QuantizedMatrix w = PackRandom({QuantScheme::kW8A8D, 20, 8, 0}, 1);
  StridedMatrix x(3, 8, 8, 0), y(3, 20, 20, 0);
  const Compute compute{Isa::kScalar, &Pool()};
  EXPECT_THROW(QuantizedGemm(x.view.Cols(0, 7), w, y.view, {}, compute), Error);
  EXPECT_THROW(QuantizedGemm(x.view, w, y.view.Cols(0, 19), {}, compute), Error);
  EXPECT_THROW(QuantizedGemm(x.view, w, y.view.Rows(0, 2), {}, compute), Error);
}

}  // namespace
}  // namespace ixc
