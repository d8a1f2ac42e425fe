#include <gtest/gtest.h>

#include <limits>

#include "engine/sampler.h"

namespace ixc {
namespace {

TEST(Sampler, GreedyTakesTheLowestIdOfEquals) {
  const std::vector<float> logits = {1, 3, 3, 2};
  Sampler sampler({.repetition_penalty = 1.0f}, {});
  EXPECT_EQ(sampler.Next(logits), 1);
}

TEST(Sampler, PenaltySeesWhatWasChosen) {
  const std::vector<float> logits = {2.0f, 1.9f, -1.0f};
  Sampler sampler({.repetition_penalty = 1.1f}, {});
  EXPECT_EQ(sampler.Next(logits), 0);
  EXPECT_EQ(sampler.Next(logits), 1);  // 2 / 1.1 < 1.9
  EXPECT_EQ(sampler.Next(logits), 0);
}

TEST(Sampler, PenaltyCountsAnIdOnceAndPushesNegativesDown) {
  std::vector<float> logits = {2.0f, -2.0f, 1.0f};
  const std::vector<int32_t> seen = {0, 0, 1, 0};
  ApplyRepetitionPenalty(seen, 2.0f, logits);
  EXPECT_EQ(logits, (std::vector<float>{1.0f, -4.0f, 1.0f}));
}

TEST(Sampler, TopKKeepsTies) {
  std::vector<float> logits = {1, 2, 2, 3};
  ApplyTopK(2, logits);
  EXPECT_EQ(logits[0], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(logits[1], 2);
  EXPECT_EQ(logits[2], 2);
}

TEST(Sampler, TopPAlwaysKeepsTheBest) {
  std::vector<float> logits = {0, 5, 1};
  ApplyTopP(1e-6f, logits);
  EXPECT_EQ(logits[1], 5);
  EXPECT_TRUE(std::isinf(logits[0]) && std::isinf(logits[2]));
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  GenerationOptions options;
  options.sample = true;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.repetition_penalty = 1.0f;
  options.seed = 7;
  Sampler sampler(options, {});
  constexpr int kDraws = 20000;
  int counts[3] = {};
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.Next(logits)];
  // Five standard deviations of a binomial count.
  const double probabilities[] = {0.5, 0.3, 0.2};
  for (int i = 0; i < 3; ++i) {
    const double p = probabilities[i];
    EXPECT_NEAR(counts[i], kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p))) << i;
  }
}

// Removes one token.
class Without : public TokenConstraint {
 public:
  explicit Without(int32_t id) : id_(id) {}
  void Mask(std::span<float> logits) const override {
    logits[static_cast<size_t>(id_)] = -std::numeric_limits<float>::infinity();
  }
  void Accept(int32_t id) override { accepted.push_back(id); }
  std::vector<int32_t> accepted;

 private:
  int32_t id_;
};

GenerationOptions PlainGreedy() {
  GenerationOptions options;
  options.repetition_penalty = 1.0f;
  return options;
}

TEST(Sampler, BiasComesBeforeTheMask) {
  const auto constraint = std::make_shared<Without>(2);
  LogitRules rules;
  rules.bias = {{2, 100.0f}, {1, 0.5f}};
  rules.constraint = constraint;
  Sampler sampler(PlainGreedy(), {}, rules);
  EXPECT_EQ(sampler.Next(std::vector<float>{1.2f, 1.0f, 0.0f}), 1);
  EXPECT_EQ(constraint->accepted, std::vector<int32_t>{1});
}

TEST(Sampler, PresenceCountsOnceAndFrequencyEveryTime) {
  const std::vector<float> logits = {2.0f, 1.0f, 0.0f};
  const auto choices = [&](float presence, float frequency) {
    LogitRules rules;
    rules.presence_penalty = presence;
    rules.frequency_penalty = frequency;
    Sampler sampler(PlainGreedy(), {0, 0, 0}, rules);  // the prompt does not count
    std::vector<int32_t> ids(6);
    for (int32_t& id : ids) id = sampler.Next(logits);
    return ids;
  };
  EXPECT_EQ(choices(1.5f, 0), (std::vector<int32_t>{0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(choices(0, 0.75f), (std::vector<int32_t>{0, 0, 1, 0, 1, 2}));
}

}  // namespace
}  // namespace ixc
