#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "formats/running_names.h"
#include "quant/nibble_codec.h"
#include "quant/tp_split.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

using Weights = std::vector<int8_t>;

NibbleCoded Encode(const Weights& weights, int64_t n, int64_t k) {
  return EncodeNibbles(n, k, [&](int64_t row, std::span<int8_t> to) {
    std::copy_n(weights.begin() + row * k, k, to.begin());
  });
}

Weights Decode(const NibbleCoded& coded, int64_t n, int64_t k) {
  const NibbleDecoder decoder(n, k, coded.stream, coded.index, "test");
  Weights weights(static_cast<size_t>(n * k));
  for (int64_t row = n - 1; row >= 0; --row) {  // any order
    decoder.ReadRow(
        row, std::span(weights).subspan(static_cast<size_t>(row * k), static_cast<size_t>(k)));
  }
  return weights;
}

TEST(NibbleCodec, GivesBackEveryMatrix) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const auto n = static_cast<int64_t>(1 + random() % 20),
               k = static_cast<int64_t>(1 + random() % 70);
    // Anything from nearly all small to nearly all large.
    const uint32_t large = random() % 101;
    Weights weights(static_cast<size_t>(n * k));
    for (int8_t& value : weights) {
      value = random() % 100 < large ? static_cast<int8_t>(random() % 256)
                                     : static_cast<int8_t>(static_cast<int>(random() % 15) - 7);
    }
    EXPECT_EQ(Decode(Encode(weights, n, k), n, k), weights) << n << " x " << k;
  }
}

// Normal weights as w8a8s rounds them: the largest of a row that are no outliers are 7.
TEST(NibbleCodec, NormalWeightsTakeLittleOverFourBits) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0.0f, 7.0f / 2.54f);  // 1.1 % lie beyond 7
  const int64_t n = 64, k = 4096;
  Weights weights(static_cast<size_t>(n * k));
  for (int8_t& value : weights) value = static_cast<int8_t>(std::nearbyint(normal(random)));
  const NibbleCoded coded = Encode(weights, n, k);
  const double bits = 8.0 * static_cast<double>(coded.stream.size() + coded.index.size()) /
                      static_cast<double>(n * k);
  EXPECT_LT(bits, 4.4);
  EXPECT_GT(bits, 4.0);
  EXPECT_EQ(Decode(coded, n, k), weights);
}

TEST(NibbleCodec, BrokenBytesAreErrors) {
  Weights weights(4 * 9, 3);
  weights[5] = 90;
  weights[30] = -90;
  const NibbleCoded coded = Encode(weights, 4, 9);
  const auto error = [&](auto change) {
    NibbleCoded broken = coded;
    change(broken);
    return ErrorOf([&] { Decode(broken, 4, 9); });
  };
  EXPECT_EQ(error([](NibbleCoded&) {}), "no error");
  EXPECT_PRED2(Contains, error([](NibbleCoded& c) { c.stream.resize(10); }), "at least 20 bytes");
  EXPECT_PRED2(Contains, error([](NibbleCoded& c) { c.index.pop_back(); }), "index");
  EXPECT_PRED2(Contains, error([](NibbleCoded& c) { c.index[8] = std::byte{9}; }), "broken");
  EXPECT_PRED2(Contains, error([](NibbleCoded& c) { c.stream.push_back({}); }), "fewer");
  EXPECT_PRED2(Contains, error([](NibbleCoded& c) { c.stream[0] = {}; }), "more");
}

TEST(TpSplit, NamesAxesAndRanks) {
  EXPECT_EQ(AxisOf("model.layers.3.attention.wqkv.weight"), SplitAxis::kRows);
  EXPECT_EQ(AxisOf("model.layers.3.attention.wqkv.input_scale"), SplitAxis::kNone);
  EXPECT_EQ(AxisOf("model.layers.3.feed_forward.w3.deq_scale"), SplitAxis::kRows);
  EXPECT_EQ(AxisOf("model.layers.3.feed_forward.w2.weight"), SplitAxis::kColumns);
  EXPECT_EQ(AxisOf("vit.vision_tower.vision_model.pre_layrnorm.weight"), SplitAxis::kNone);
  EXPECT_EQ(RunningName("output.weight"), "language_model.lm_head.weight");
  for (const char* name : {"output.weight", "model.norm.weight", "vision_proj.0.bias"}) {
    EXPECT_EQ(CheckpointName(RunningName(name)), name);
  }
  ModelConfig config;
  config.num_kv_heads = 8;
  config.intermediate_size = 14336;
  config.vocab_size = 92544;
  CheckRanks(config, 8);
  EXPECT_PRED2(Contains, ErrorOf([&] { CheckRanks(config, 3); }), "8 groups of heads");
}

}  // namespace
}  // namespace ixc
