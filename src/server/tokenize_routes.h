// POST /tokenize and /detokenize, with vLLM's fields.
#pragma once

#include <string>
#include <string_view>

#include "server/api_context.h"

namespace ixc {

// {"prompt": TEXT, "add_special_tokens": true} -> {"count", "max_model_len", "tokens"}: the ids of
// a text that somebody typed, with the begin-of-sequence id unless that is turned off.
std::string AnswerTokenize(std::string_view body, const ServedModel& model,
                           const ApiOptions& options);
// {"tokens": [IDS]} -> {"prompt": TEXT}, without special tokens.
std::string AnswerDetokenize(std::string_view body, const ServedModel& model,
                             const ApiOptions& options);

}  // namespace ixc
