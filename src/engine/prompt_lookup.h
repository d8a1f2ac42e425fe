// Guesses how an answer goes on from what was already said: the last few tokens are looked up in
// the prompt and the answer so far, and what followed them there is the guess.
//
// One pass of the model over a guess checks all of it at about the price of one token, because
// decoding waits for the weights to be read. Answers do not change: only tokens that the sampler
// chooses from the model's own logits are kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ixc {

class PromptLookup {
 public:
  // `prompt` may hold negative ids (image positions): they match nothing and end a guess.
  explicit PromptLookup(std::span<const int64_t> prompt) : ids_(prompt.begin(), prompt.end()) {}

  void Append(int32_t id) { ids_.push_back(id); }

  // At most `longest` ids that may follow. The latest place counts where the last three tokens, or
  // else the last two, stood before; empty when there is none.
  std::vector<int32_t> Guess(int longest) const;

  // How long a guess is worth trying, from how the last ones went.
  int limit() const { return limit_; }
  void Learn(int guessed, int accepted);

  // One token more is read by the kernels for a few rows (kMaxFewRows).
  static constexpr int kLongestGuess = 5;

 private:
  std::vector<int64_t> ids_;
  int limit_ = kLongestGuess;
};

}  // namespace ixc
