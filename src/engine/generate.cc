#include "engine/generate.h"

#include <algorithm>

#include "engine/beam_search.h"
#include "engine/sampler.h"

namespace ixc {

namespace {

std::span<const float> FirstRow(const Matrix& logits) {
  return {logits.data(), static_cast<size_t>(logits.cols())};
}

}  // namespace

GeneratedTokens GenerateTokens(const Pipeline& pipeline, const AssembledPrompt& prompt,
                               Matrix logits, Sequence& sequence, const GenerationOptions& options,
                               const DecodeHooks& hooks) {
  if (options.num_beams > 1) {
    return BeamSearch(pipeline, prompt, FirstRow(logits), sequence.Fork(), options,
                      hooks.is_cancelled);
  }
  GeneratedTokens generated;
  Sampler sampler(options, prompt.penalised_ids);
  const auto stops = pipeline.stop_ids();
  while (true) {
    if (hooks.is_cancelled && hooks.is_cancelled()) {
      generated.finish_reason = FinishReason::kCancelled;
      return generated;
    }
    const int32_t id = sampler.Next(FirstRow(logits));
    generated.ids.push_back(id);
    if (hooks.on_token) hooks.on_token(id, FirstRow(logits));
    if (std::find(stops.begin(), stops.end(), id) != stops.end()) {
      generated.finish_reason = FinishReason::kStop;
      return generated;
    }
    if (static_cast<int>(generated.ids.size()) >= options.max_new_tokens) {
      generated.finish_reason = FinishReason::kLength;
      return generated;
    }
    logits = pipeline.Step(id, sequence);
  }
}

void ForceTokens(const Pipeline& pipeline, std::span<const int32_t> ids, Matrix logits,
                 Sequence& sequence, const DecodeHooks& hooks) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (hooks.on_token) hooks.on_token(ids[i], FirstRow(logits));
    if (i + 1 < ids.size()) logits = pipeline.Step(ids[i], sequence);
  }
}

}  // namespace ixc
