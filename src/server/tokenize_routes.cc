#include "server/tokenize_routes.h"

#include <fmt/format.h>

#include <array>

#include "server/request_fields.h"

namespace ixc {
namespace {

void CheckModel(const RequestFields& fields, const ApiOptions& options) {
  if (fields.Has("model") && fields.String("model") != options.model_name) {
    throw ApiError(404, "model_not_found", "model", "that model does not exist here");
  }
}

}  // namespace

std::string AnswerTokenize(std::string_view body, const ServedModel& model,
                           const ApiOptions& options) {
  const Json json = ParseBody(body, options.limits.max_body_bytes, kMaxTextBytes);
  const RequestFields fields(json, "");
  constexpr std::array<std::string_view, 3> kKnown = {"model", "prompt", "add_special_tokens"};
  fields.CheckNames({kKnown});
  CheckModel(fields, options);
  const std::string prompt = fields.String("prompt");
  std::vector<int32_t> ids =
      ReadField("prompt", [&] { return model.tokenizer->EncodeOrdinary(prompt); });
  if (fields.BoolOr("add_special_tokens", true)) ids.insert(ids.begin(), model.tokenizer->bos_id());
  Json answer;
  answer["count"] = ids.size();
  answer["max_model_len"] = model.max_context;
  answer["tokens"] = std::move(ids);
  return ToText(answer);
}

std::string AnswerDetokenize(std::string_view body, const ServedModel& model,
                             const ApiOptions& options) {
  const Json json = ParseBody(body, options.limits.max_body_bytes, kMaxTextBytes);
  const RequestFields fields(json, "");
  constexpr std::array<std::string_view, 2> kKnown = {"model", "tokens"};
  fields.CheckNames({kKnown});
  CheckModel(fields, options);
  const Json* tokens = fields.Find("tokens");
  if (tokens == nullptr || !tokens->is_array()) {
    RejectField("tokens", "request: tokens wanted a list of token ids");
  }
  std::vector<int32_t> ids;
  ids.reserve(tokens->size());
  for (const Json& id : *tokens) {
    if (!id.is_number_integer() || id < 0 || id >= model.tokenizer->vocab_size()) {
      RejectField("tokens", fmt::format("request: token ids are integers from 0 to {}",
                                        model.tokenizer->vocab_size() - 1));
    }
    ids.push_back(id.get<int32_t>());
  }
  Json answer;
  answer["prompt"] = model.tokenizer->Decode(ids, /*skip_special=*/true);
  return ToText(answer);
}

}  // namespace ixc
