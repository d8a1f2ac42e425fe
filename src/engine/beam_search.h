// Beam search as the reference's library does it.
//
// `width` sequences go on side by side. Each step takes the best 2 width of
//   score + log_softmax(logits)
// over all (beam, token) pairs, best first. A stop token among the first `width` of them closes a
// hypothesis, one further down is dropped, and the first `width` others go on. A hypothesis counts
// sum / length^length_penalty; the best `width` are kept. It ends when `width` are closed and no
// running beam can beat the worst of them.
#pragma once

#include <functional>
#include <span>

#include "engine/generate.h"

namespace ixc {

GeneratedTokens BeamSearch(const Pipeline& pipeline, const AssembledPrompt& prompt,
                           std::span<const float> logits, Sequence sequence,
                           const GenerationOptions& options,
                           const std::function<bool()>& is_cancelled);

}  // namespace ixc
