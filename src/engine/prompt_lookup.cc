#include "engine/prompt_lookup.h"

#include <algorithm>

namespace ixc {

namespace {

constexpr int64_t kLongestMatch = 3;
constexpr int64_t kShortestMatch = 2;

}  // namespace

std::vector<int32_t> PromptLookup::Guess(int longest) const {
  const auto size = static_cast<int64_t>(ids_.size());
  const auto at = [&](int64_t i) { return ids_[static_cast<size_t>(i)]; };
  for (int64_t match = kLongestMatch; match >= kShortestMatch && longest > 0; --match) {
    // `end` is where the earlier copy of the last `match` ids ends and the guess begins.
    for (int64_t end = size - 1; end >= match; --end) {
      int64_t same = 0;
      while (same < match && at(end - 1 - same) >= 0 && at(end - 1 - same) == at(size - 1 - same)) {
        ++same;
      }
      if (same < match) continue;
      std::vector<int32_t> guess;
      for (int64_t i = end; i < std::min(size, end + longest) && at(i) >= 0; ++i) {
        guess.push_back(static_cast<int32_t>(at(i)));
      }
      if (!guess.empty()) return guess;
    }
  }
  return {};
}

void PromptLookup::Learn(int guessed, int accepted) {
  if (guessed == 0) return;
  if (accepted == guessed) {
    limit_ = std::min(kLongestGuess, limit_ + 2);
  } else if (accepted == 0) {
    limit_ = std::max(1, limit_ / 2);
  }
}

}  // namespace ixc
