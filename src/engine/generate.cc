#include "engine/generate.h"

#include <algorithm>

#include "base/error.h"
#include "engine/beam_search.h"
#include "engine/prompt_lookup.h"
#include "engine/sampler.h"

namespace ixc {

namespace {

std::span<const float> Row(const Matrix& logits, int64_t row) {
  return {logits.Row(row), static_cast<size_t>(logits.cols())};
}
std::span<const float> FirstRow(const Matrix& logits) { return Row(logits, 0); }

// The loop of GenerateTokens(). One step feeds the last token and a guess of what follows it, and
// gives the logits behind each; the guess is used up as long as the sampler chooses the same.
class Decoding {
 public:
  Decoding(const Pipeline& pipeline, const AssembledPrompt& prompt, Sequence& sequence,
           const GenerationOptions& options, const DecodeHooks& hooks)
      : pipeline_(pipeline),
        sequence_(sequence),
        options_(options),
        hooks_(hooks),
        prompt_length_(sequence.length()),
        sampler_(options, prompt.penalised_ids),
        lookup_(options.speculate ? prompt.input_ids : std::vector<int64_t>()) {}

  GeneratedTokens Run(Matrix logits) {
    std::vector<int32_t> guess;
    for (int64_t row = 0; !IsOver(Row(logits, row));) {
      const int32_t id = generated_.ids.back();
      if (static_cast<size_t>(row) < guess.size() && guess[static_cast<size_t>(row)] == id) {
        ++row;
        ++generated_.accepted;
        continue;
      }
      lookup_.Learn(static_cast<int>(guess.size()), static_cast<int>(row));
      Forget();
      guess = Guess();
      generated_.guessed += static_cast<int64_t>(guess.size());
      std::vector<int32_t> ids = {id};
      ids.insert(ids.end(), guess.begin(), guess.end());
      logits = pipeline_.Step(ids, sequence_);
      row = 0;
    }
    Forget();
    return std::move(generated_);
  }

 private:
  // Chooses a token from `logits` unless the answer is over before; whether it is over after it.
  bool IsOver(std::span<const float> logits) {
    if (hooks_.is_cancelled && hooks_.is_cancelled()) {
      generated_.finish_reason = FinishReason::kCancelled;
      return true;
    }
    const int32_t id = sampler_.Next(logits);
    generated_.ids.push_back(id);
    lookup_.Append(id);
    if (hooks_.on_token) hooks_.on_token(id, logits);
    const auto stops = pipeline_.stop_ids();
    if (std::find(stops.begin(), stops.end(), id) != stops.end()) {
      generated_.finish_reason = FinishReason::kStop;
      return true;
    }
    generated_.finish_reason = FinishReason::kLength;
    return static_cast<int>(generated_.ids.size()) >= options_.max_new_tokens;
  }

  // Takes back what was guessed wrong; the last id was chosen but not read yet.
  void Forget() {
    const auto known = std::max<int64_t>(0, static_cast<int64_t>(generated_.ids.size()) - 1);
    if (sequence_.length() > prompt_length_ + known) sequence_.Truncate(prompt_length_ + known);
  }

  std::vector<int32_t> Guess() const {
    if (!options_.speculate) return {};
    const auto left = options_.max_new_tokens - static_cast<int>(generated_.ids.size());
    const int longest = std::min(lookup_.limit(), left - 1);
    // Where dynamic rotation would change with the length, a step at a time is the only exact way.
    if (!sequence_.CanBecome(sequence_.length() + 1 + longest)) return {};
    return lookup_.Guess(longest);
  }

  const Pipeline& pipeline_;
  Sequence& sequence_;
  const GenerationOptions& options_;
  const DecodeHooks& hooks_;
  const int64_t prompt_length_;
  Sampler sampler_;
  PromptLookup lookup_;
  GeneratedTokens generated_;
};

}  // namespace

void CheckGeneration(const GenerationOptions& options) {
  if (options.max_new_tokens < 1)
    Fail("max_new_tokens is {}, wanted 1 or more", options.max_new_tokens);
  if (!(options.repetition_penalty > 0)) Fail("repetition_penalty wants a number above 0");
  if (options.sample && !(options.temperature > 0)) Fail("temperature wants a number above 0");
  if (options.sample && !(options.top_p > 0 && options.top_p <= 1)) Fail("top_p wants 0 < p <= 1");
  if (options.num_beams < 1) Fail("num_beams is {}, wanted 1 or more", options.num_beams);
  if (options.speculate && options.num_beams > 1) {
    Fail("beam search and speculation exclude each other");
  }
  if (options.sample && options.num_beams > 1) Fail("beam search and sampling exclude each other");
}

GeneratedTokens GenerateTokens(const Pipeline& pipeline, const AssembledPrompt& prompt,
                               Matrix logits, Sequence& sequence, const GenerationOptions& options,
                               const DecodeHooks& hooks) {
  if (options.num_beams > 1) {
    return BeamSearch(pipeline, prompt, FirstRow(logits), sequence.Fork(), options,
                      hooks.is_cancelled);
  }
  return Decoding(pipeline, prompt, sequence, options, hooks).Run(std::move(logits));
}

void ForceTokens(const Pipeline& pipeline, std::span<const int32_t> ids, Matrix logits,
                 Sequence& sequence, const DecodeHooks& hooks) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (hooks.on_token) hooks.on_token(ids[i], FirstRow(logits));
    if (i + 1 < ids.size()) logits = pipeline.Step(ids.subspan(i, 1), sequence);
  }
}

}  // namespace ixc
