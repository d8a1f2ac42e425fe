// The decoding loop: from the prompt's last logits to an answer.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/pipeline.h"
#include "ixc/request.h"

namespace ixc {

struct GeneratedTokens {
  std::vector<int32_t> ids;  // the stop token included
  FinishReason finish_reason = FinishReason::kStop;
  // With GenerationOptions::speculate: tokens read ahead, and those that the sampler chose.
  int64_t guessed = 0;
  int64_t accepted = 0;
};

struct DecodeHooks {
  // Called for every token in order, with the raw logits [vocabulary] that chose it. Not called by
  // beam search, whose tokens are known at the end only.
  std::function<void(int32_t id, std::span<const float> logits)> on_token;
  std::function<bool()> is_cancelled;
};

// Throws, naming the field, when an option has no meaning or two exclude each other.
void CheckGeneration(const GenerationOptions& options);

// `logits` belong to the last position of the prompt that `sequence` holds. The ids are appended to
// it but for the last one; beam search leaves it as it is.
GeneratedTokens GenerateTokens(const Pipeline& pipeline, const AssembledPrompt& prompt,
                               Matrix logits, Sequence& sequence, const GenerationOptions& options,
                               const DecodeHooks& hooks);

// Feeds the given ids whatever the logits say; on_token gets each with the logits before it.
void ForceTokens(const Pipeline& pipeline, std::span<const int32_t> ids, Matrix logits,
                 Sequence& sequence, const DecodeHooks& hooks);

}  // namespace ixc
