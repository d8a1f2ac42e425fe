// An answer of the service in the making: from logits to tokens, probabilities and text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/service.h"
#include "text/stop_matcher.h"
#include "text/stream_decoder.h"

namespace ixc {

class Answer {
 public:
  // The tokenizer must outlive the answer.
  Answer(const ServiceRequest& request, const Tokenizer& tokenizer,
         std::span<const int32_t> stop_ids, std::vector<int32_t> penalised_ids);

  // Chooses the next token from raw logits [vocabulary]. The event's text follows in Tell(), so
  // that several answers can choose at the same time.
  void Choose(std::span<const float> logits);
  // The event of the token that was chosen. Its text holds all that is left once is_over().
  TokenEvent Tell();

  std::span<const int32_t> ids() const { return ids_; }
  bool is_over() const { return is_over_; }
  FinishReason finish_reason() const { return finish_reason_; }

 private:
  TokenProbability Probability(int32_t id, float logprob) const;
  void AddProbabilities(std::span<const float> logits, int32_t id);

  const Tokenizer& tokenizer_;
  const std::span<const int32_t> stop_ids_;
  const int max_new_tokens_;
  const int top_logprobs_;
  Sampler sampler_;
  StreamDecoder decoder_;
  StopMatcher stops_;
  TokenEvent event_;  // of the last choice
  std::vector<int32_t> ids_;
  bool is_over_ = false;
  FinishReason finish_reason_ = FinishReason::kStop;
};

}  // namespace ixc
