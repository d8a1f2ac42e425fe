#include "cli/stats_line.h"

#include <fmt/format.h>

namespace ixc {

std::string StatsLine(const Result& result) {
  const Timing& timing = result.timing;
  const double decoded = static_cast<double>(result.token_ids.size()) - 1;
  const std::string cached = result.cached_tokens == 0
                                 ? ""
                                 : fmt::format(", {} read before, {} paid", result.cached_tokens,
                                               result.prompt_tokens - result.cached_tokens);
  const std::string guessed = result.guessed_tokens == 0
                                  ? ""
                                  : fmt::format("; {} of {} guessed tokens accepted",
                                                result.accepted_tokens, result.guessed_tokens);
  return fmt::format(
      "{} prompt tokens ({} of pictures{}): pictures {:.2f} s, prefill {:.2f} s; {} new tokens: "
      "{:.2f} s, {:.1f} tokens/s{}",
      result.prompt_tokens, result.image_tokens, cached, timing.image_seconds,
      timing.prefill_seconds, result.token_ids.size(), timing.decode_seconds,
      timing.decode_seconds > 0 ? decoded / timing.decode_seconds : 0.0, guessed);
}

}  // namespace ixc
