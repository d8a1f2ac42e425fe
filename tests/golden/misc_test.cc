// Rotary tables, repetition penalty and sampling filters against the reference's own.
#include <gtest/gtest.h>

#include "engine/sampler.h"
#include "model/rope_table.h"
#include "support/golden.h"

namespace ixc {
namespace {

using testing::GoldenDir;
using testing::GoldenTensors;

class MiscGolden : public ::testing::Test {
 protected:
  const Json json_ = ReadJsonFile(GoldenDir() / "misc" / "misc.json");
  const GoldenTensors tensors_{GoldenDir() / "misc" / "misc.safetensors"};
};

RopeConfig RopeConfigOf(const Json& json) {
  RopeConfig config;
  config.theta = json["base"];
  config.head_dim = json["dim"];
  config.scaling.factor = json["factor"];
  config.max_position_embeddings = json["max_position_embeddings"];
  if (json["type"] == "linear") config.scaling.type = RopeScaling::Type::kLinear;
  if (json["type"] == "dynamic") config.scaling.type = RopeScaling::Type::kDynamic;
  return config;
}

TEST_F(MiscGolden, RotaryTables) {
  for (const Json& object : json_["rope"]) {
    const RopeConfig config = RopeConfigOf(object);
    RopeTable table(config);  // one object, calls in order: dynamic scaling has memory
    for (const Json& call : object["calls"]) {
      const std::vector<int64_t> positions = call["positions"];
      const auto& cos = tensors_.Get(call["key"].get<std::string>() + ".cos");
      const auto& sin = tensors_.Get(call["key"].get<std::string>() + ".sin");
      for (size_t i = 0; i < positions.size(); ++i) {
        Matrix got_cos(1, config.head_dim / 2), got_sin(1, config.head_dim / 2);
        table.Lookup(positions[i], call["seq_len"], got_cos, got_sin);
        // The reference repeats each half; 1e-4 is for angles above 1000, the rest meets 1e-5.
        const int64_t row = static_cast<int64_t>(i);
        const double tolerance = positions[i] > 1000 ? 1e-4 : 1e-5;
        EXPECT_LE(testing::MaxAbsDifference(got_cos.data(), cos.Row(row), got_cos.cols()),
                  tolerance)
            << call["key"] << " position " << positions[i];
        EXPECT_LE(testing::MaxAbsDifference(got_sin.data(), sin.Row(row), got_sin.cols()),
                  tolerance)
            << call["key"] << " position " << positions[i];
      }
    }
  }
}

TEST_F(MiscGolden, PenaltyTemperatureTopKTopP) {
  for (const Json& warper : json_["warpers"]) {
    const std::string key = warper["key"];
    std::vector<float> logits = tensors_.Get(key + ".logits").values;
    const std::vector<int32_t> seen = warper["previous_ids"];
    ApplyRepetitionPenalty(seen, warper["repetition_penalty"], logits);
    EXPECT_LE(
        testing::MaxAbsDifference(logits.data(), tensors_.Get(key + ".after_penalty").values.data(),
                                  static_cast<int64_t>(logits.size())),
        1e-5)
        << key;
    for (float& logit : logits) logit /= warper["temperature"].get<float>();
    ApplyTopK(warper["top_k"], logits);
    ApplyTopP(warper["top_p"], logits);
    std::vector<int32_t> kept;
    double sum = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (std::isinf(logits[i])) continue;
      kept.push_back(static_cast<int32_t>(i));
      sum += std::exp(static_cast<double>(logits[i]));
    }
    ASSERT_EQ(kept, warper["kept_ids"].get<std::vector<int32_t>>()) << key;
    const std::vector<double> probabilities = warper["kept_probs"];
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_NEAR(std::exp(static_cast<double>(logits[static_cast<size_t>(kept[i])])) / sum,
                  probabilities[i], 1e-5)
          << key;
    }
  }
}

}  // namespace
}  // namespace ixc
