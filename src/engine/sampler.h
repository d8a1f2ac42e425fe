// From logits to the next token. What a request may add comes first: its logit bias, the mask of
// its constraint, presence and frequency penalty. Then the reference's order: repetition penalty,
// and, when sampling, temperature, top-k, top-p, softmax and a draw; else the largest logit (the
// lowest id of equals).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "engine/token_constraint.h"
#include "ixc/request.h"

namespace ixc {

// For every id in `seen`, once however often it occurs: l = l < 0 ? l * penalty : l / penalty.
void ApplyRepetitionPenalty(std::span<const int32_t> seen, float penalty, std::span<float> logits);

// Sets every logit below the k-th largest to minus infinity; ties with it stay. k <= 0: nothing.
void ApplyTopK(int k, std::span<float> logits);

// Removes the least probable tokens whose cumulative probability is at most 1 - top_p; the best
// always stays.
void ApplyTopP(float top_p, std::span<float> logits);

int32_t ArgMax(std::span<const float> logits);

// ln of the sum of e^logit: what log probabilities are logits less of.
double LogSumExp(std::span<const float> logits);

// What is done to raw logits before the reference's steps.
struct LogitRules {
  std::map<int32_t, float> bias;  // added; ids are below the vocabulary's size
  std::shared_ptr<TokenConstraint> constraint;
  // Subtracted for a token that was generated before: once, and for each time.
  float presence_penalty = 0;
  float frequency_penalty = 0;
};

class Sampler {
 public:
  // penalised: the ids that the repetition penalty sees before anything is generated (see
  // docs/prompts.md).
  Sampler(const GenerationOptions& options, std::vector<int32_t> penalised, LogitRules rules = {});

  // Chooses from raw logits and remembers the choice for the penalties and the constraint.
  int32_t Next(std::span<const float> logits);

 private:
  void ApplyRules();
  int32_t Draw(std::span<const float> logits);

  GenerationOptions options_;
  LogitRules rules_;
  std::vector<int32_t> seen_;
  std::map<int32_t, int> counts_;  // of generated ids; empty without such a penalty
  std::vector<float> work_;
  std::mt19937_64 random_;
};

}  // namespace ixc
