#include "engine/answer.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ixc {

namespace {

LogitRules RulesOf(const ServiceRequest& request) {
  LogitRules rules;
  rules.bias = request.logit_bias;
  rules.constraint = request.constraint;
  rules.presence_penalty = request.presence_penalty;
  rules.frequency_penalty = request.frequency_penalty;
  return rules;
}

}  // namespace

Answer::Answer(const ServiceRequest& request, const Tokenizer& tokenizer,
               std::span<const int32_t> stop_ids, std::vector<int32_t> penalised_ids)
    : tokenizer_(tokenizer),
      stop_ids_(stop_ids),
      max_new_tokens_(request.request.generation.max_new_tokens),
      top_logprobs_(request.top_logprobs),
      sampler_(request.request.generation, std::move(penalised_ids), RulesOf(request)),
      decoder_(tokenizer),
      stops_(request.stop) {}

void Answer::Choose(std::span<const float> logits) {
  event_ = {};
  event_.id = sampler_.Next(logits);
  ids_.push_back(event_.id);
  if (top_logprobs_ >= 0) AddProbabilities(logits, event_.id);
}

TokenEvent Answer::Tell() {
  event_.text = stops_.Push(decoder_.Push(event_.id));
  const bool is_stop_id =
      std::find(stop_ids_.begin(), stop_ids_.end(), event_.id) != stop_ids_.end();
  const bool is_last = static_cast<int>(ids_.size()) >= max_new_tokens_;
  if (stops_.found() || is_stop_id || is_last) {
    is_over_ = true;
    event_.text += stops_.Push(decoder_.Finish());
    event_.text += stops_.Finish();
    const bool is_stopped = stops_.found() || is_stop_id;
    finish_reason_ = is_stopped ? FinishReason::kStop : FinishReason::kLength;
  }
  return std::move(event_);
}

TokenProbability Answer::Probability(int32_t id, float logprob) const {
  const TokenText token = tokenizer_.Text(id);
  const bool is_byte = token.kind == TokenText::Kind::kByte;
  return {id, is_byte ? std::string(1, static_cast<char>(token.byte)) : std::string(token.text),
          logprob};
}

void Answer::AddProbabilities(std::span<const float> logits, int32_t id) {
  const double total = LogSumExp(logits);
  const auto logprob = [&](int32_t token) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(token)]) - total);
  };
  event_.chosen = Probability(id, logprob(id));
  // A model may have more rows than its tokenizer has pieces.
  std::vector<int32_t> order(std::min(logits.size(), static_cast<size_t>(tokenizer_.vocab_size())));
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min(static_cast<size_t>(top_logprobs_), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int32_t a, int32_t b) {
                      const float left = logits[static_cast<size_t>(a)];
                      const float right = logits[static_cast<size_t>(b)];
                      return left > right || (left == right && a < b);
                    });
  for (size_t i = 0; i < count; ++i)
    event_.best.push_back(Probability(order[i], logprob(order[i])));
}

}  // namespace ixc
