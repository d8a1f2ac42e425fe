#include <gtest/gtest.h>

#include "quant/quantized_linear.h"
#include "quant/round_to_nearest.h"
#include "quant/sparse_outliers.h"
#include "unit/kernels_test_util.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

// The number vectors of the original quantizer: a matrix, its integers and scales.
const std::vector<float> kWeights = {.10f,  -.20f, .30f,  -.40f, .05f,  0.0f, .70f,  -.90f,  //
                                     .01f,  .02f,  -.03f, .04f,  -.05f, .06f, -.07f, 5.00f,  //
                                     1.50f, -.25f, .35f,  .45f,  -.55f, .65f, .15f,  -.05f,  //
                                     .08f,  .09f,  -.11f, .12f,  -.13f, .14f, -.15f, .16f};

struct Vectors {
  QuantScheme scheme;
  std::vector<int> q;
  std::vector<float> scales;
  std::vector<int32_t> quant_bias;  // with input_scale 0.02, input_offset -14
  std::vector<int64_t> deq_scale;
};
const Vectors kVectors[] = {
    {QuantScheme::kW8A8,
     {14,  -28, 42, -56, 7,   0,  99, -127, 0,  1,  -1,  1,  -1,   2,   -2,   127,
      127, -21, 30, 38,  -47, 55, 13, -4,   63, 71, -87, 95, -103, 111, -119, 127},
     {0.0070866141f, 0.039370079f, 0.011811024f, 0.0012598425f},
     {-686, 1778, 2674, 2212},
     {957652472, 978217376, 964145651, 936598995}},
    {QuantScheme::kW8A8S,
     {1,  -2, 2, -3, 0,  0, 5, -7, 1, 2, -3, 4, -5, 6, -7, 127,
      16, -3, 4, 5,  -6, 7, 2, -1, 4, 4, -5, 5, -6, 6, -7, 7},
     {0.12857142f, 0.01f, 0.092857137f, 0.022857143f},
     {-56, 1750, 336, 112},
     {992511337, 961656599, 989031262, 972008620}}};

class QuantizedLinearTest : public ::testing::Test {
 protected:
  QuantizedLinear Make(const EncodedTensor& tensor, QuantScheme scheme, int64_t group = 0) {
    QuantizedLinear linear;
    linear.prefix = "layer.linear";
    linear.weight = tensor.view;
    linear.scheme = scheme;
    linear.group = group;
    return linear;
  }

  ThreadPool pool_{2};
  Compute compute_{Isa::kScalar, &pool_};
};

TEST_F(QuantizedLinearTest, NumberVectorsOfTheOriginal) {
  const EncodedTensor tensor(kWeights, {4, 8}, DType::kF32);
  for (const Vectors& vectors : kVectors) {
    QuantizedLinear linear = Make(tensor, vectors.scheme);
    MeasureOptions options;
    options.fraction = 0.1;
    MeasureWeights(linear, options, compute_);
    linear.input = {0.02f, -14};
    std::vector<int8_t> q(8);
    for (int64_t row = 0; row < 4; ++row) {
      const auto at = static_cast<size_t>(row);
      EXPECT_FLOAT_EQ(linear.scales[at], vectors.scales[at]);
      QuantizeRow(linear, row, q);
      for (size_t i = 0; i < 8; ++i) EXPECT_EQ(q[i], vectors.q[at * 8 + i]) << row << " " << i;
    }
    const TempDir dir;
    WriteSafetensors(dir.path() / "x.safetensors", TensorsOf(linear, DType::kI64, compute_));
    const std::string bytes = ReadAll(dir.path() / "x.safetensors");
    for (const NamedTensor& written :
         ParseSafetensors(std::as_bytes(std::span(bytes)), "x").tensors) {
      if (written.name == "layer.linear.quant_bias") {
        std::vector<int32_t> bias(4);
        std::memcpy(bias.data(), written.view.data, 16);
        EXPECT_EQ(bias, vectors.quant_bias);
      }
      if (written.name == "layer.linear.deq_scale") {
        std::vector<int64_t> scale(4);
        std::memcpy(scale.data(), written.view.data, 32);
        EXPECT_EQ(scale, vectors.deq_scale);
      }
    }
  }
}

TEST_F(QuantizedLinearTest, ThresholdIsTheLargestButSo) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<float> values = RandomFloats(3000, 5);
    const EncodedTensor tensor(values, {30, 100}, dtype);
    std::vector<float> sorted = ReadAsFloat(tensor.view, "");
    for (float& value : sorted) value = std::fabs(value);
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_EQ(OutlierThreshold(tensor.view, 0.011, compute_), sorted[32]);
    EXPECT_EQ(OutlierThreshold(tensor.view, 0.1, compute_), sorted[299]);
    EXPECT_EQ(OutlierThreshold(tensor.view, 0, compute_), INFINITY);
  }
}

TEST_F(QuantizedLinearTest, EmptyRowsStayFinite) {
  std::vector<float> values = RandomFloats(256, 6);
  std::fill_n(values.begin() + 64, 64, 0.0f);
  const EncodedTensor tensor(values, {4, 64}, DType::kF32);
  for (QuantScheme scheme :
       {QuantScheme::kW8A8, QuantScheme::kW8A8S, QuantScheme::kW8A8D, QuantScheme::kW4}) {
    QuantizedLinear linear = Make(tensor, scheme, scheme == QuantScheme::kW4 ? 32 : 0);
    MeasureWeights(linear, {}, compute_);
    for (float scale : linear.scales) EXPECT_TRUE(std::isfinite(scale));
    std::vector<int8_t> q(64, 1);
    QuantizeRow(linear, 1, q);
    EXPECT_EQ(q, std::vector<int8_t>(64, 0));
  }
  // A row of nothing but outliers keeps its values, coarsely.
  values.assign(8, 1.0f);
  values.resize(800, 0.001f);
  const EncodedTensor steep(values, {100, 8}, DType::kF32);
  QuantizedLinear linear = Make(steep, QuantScheme::kW8A8S);
  MeasureWeights(linear, {}, compute_);
  std::vector<int8_t> q(8);
  QuantizeRow(linear, 0, q);
  EXPECT_NEAR(static_cast<float>(q[0]) * linear.scales[0], 1.0f, 1e-6f);
}

TEST_F(QuantizedLinearTest, WeightsThatAreNoNumbersAreNamed) {
  std::vector<float> values = RandomFloats(256, 7);
  values[70] = INFINITY;
  const EncodedTensor tensor(values, {4, 64}, DType::kF16);
  for (QuantScheme scheme : {QuantScheme::kW8A8S, QuantScheme::kW4}) {
    QuantizedLinear linear = Make(tensor, scheme, scheme == QuantScheme::kW4 ? 32 : 0);
    EXPECT_PRED2(Contains, ErrorOf([&] { MeasureWeights(linear, {}, compute_); }),
                 "'layer.linear.weight' [1, 6] is inf");
  }
}

// Squared error of what a linear makes of its weights, weighted by input.
double ErrorOfRows(const QuantizedLinear& linear, const std::vector<float>& weights,
                   const std::vector<float>& importance) {
  double error = 0;
  std::vector<float> row(static_cast<size_t>(linear.k()));
  for (int64_t r = 0; r < linear.n(); ++r) {
    FakeQuantizeRow(linear, r, row);
    for (size_t i = 0; i < row.size(); ++i) {
      const double difference =
          static_cast<double>(row[i]) -
          static_cast<double>(weights[static_cast<size_t>(r) * row.size() + i]);
      error += difference * difference * static_cast<double>(importance[i]);
    }
  }
  return error;
}

TEST_F(QuantizedLinearTest, SearchLowersTheError) {
  const std::vector<float> values = RandomFloats(16 * 128, 8);
  const EncodedTensor tensor(values, {16, 128}, DType::kF32);
  std::vector<float> even(128, 1.0f), uneven(128, 0.01f);
  for (size_t i = 0; i < 128; i += 9) uneven[i] = 10.0f;
  QuantizedLinear plain = Make(tensor, QuantScheme::kW4, 32);
  QuantizedLinear searched = plain, weighted = plain;
  MeasureWeights(plain, {}, compute_);
  MeasureOptions search;
  search.search = true;
  MeasureWeights(searched, search, compute_);
  search.importance = uneven;
  MeasureWeights(weighted, search, compute_);
  EXPECT_LT(ErrorOfRows(searched, values, even), 0.95 * ErrorOfRows(plain, values, even));
  EXPECT_LT(ErrorOfRows(weighted, values, uneven), 0.95 * ErrorOfRows(searched, values, uneven));
}

TEST(InputRange, ActivationVectorsOfTheOriginal) {
  struct Case {
    float lo, hi, scale;
    int32_t offset;
  };
  for (const Case& given :
       {Case{-1, 3, 0.015686275f, -64}, Case{0.5f, 3, 0.011764706f, -128},
        Case{-4, -1, 0.015686275f, 127}, Case{-0.013f, 0.027f, 0.00015686275f, -45}}) {
    const InputParameters parameters = ParametersOf(given.lo, given.hi);
    EXPECT_FLOAT_EQ(parameters.scale, given.scale);
    EXPECT_EQ(parameters.offset, given.offset);
  }
  EXPECT_EQ(ParametersOf(0, 0).scale, 0x1p-23f);
}

TEST(InputRange, MeansOfExtremes) {
  InputRange range;
  std::vector<float> values = {-1, 2, 0.5f, 4};
  range.Add({values.data(), 2, 2, 2});
  values = {-3, 1, 0, 0};
  range.Add({values.data(), 2, 2, 2});
  EXPECT_EQ(range.mean_min(), -2.0f);
  EXPECT_EQ(range.mean_max(), 2.5f);
  values[2] = NAN;
  EXPECT_THROW(range.Add({values.data(), 2, 2, 2}), Error);
}

}  // namespace
}  // namespace ixc
