#include "server/openai_request.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/utf8.h"
#include "server/request_fields.h"
#include "text/chat_template.h"

namespace ixc {
namespace {

using Names = std::span<const std::string_view>;

// Say who asks, where things are billed or kept, and the like: no effect on an answer.
constexpr std::array<std::string_view, 8> kIgnored = {"user",
                                                      "metadata",
                                                      "store",
                                                      "service_tier",
                                                      "safety_identifier",
                                                      "prompt_cache_key",
                                                      "prompt_cache_retention",
                                                      "parallel_tool_calls"};

constexpr std::array<std::string_view, 18> kShared = {"model",
                                                      "stream",
                                                      "stream_options",
                                                      "max_tokens",
                                                      "temperature",
                                                      "top_p",
                                                      "top_k",
                                                      "seed",
                                                      "stop",
                                                      "n",
                                                      "logprobs",
                                                      "logit_bias",
                                                      "presence_penalty",
                                                      "frequency_penalty",
                                                      "repetition_penalty",
                                                      "response_format",
                                                      "hd_num",
                                                      "max_completion_tokens"};

constexpr std::array<std::string_view, 3> kChatOnly = {"messages", "top_logprobs", "modalities"};
constexpr std::array<std::string_view, 4> kTextOnly = {"prompt", "echo", "best_of", "suffix"};

void ReadLength(const RequestFields& fields, const RequestLimits& limits,
                CompletionRequest& request) {
  const bool both = fields.Has("max_tokens") && fields.Has("max_completion_tokens");
  if (both) {
    RejectField("max_tokens", "request: give max_tokens or max_completion_tokens, not both");
  }
  GenerationOptions& generation = request.service.request.generation;
  request.service.shorten_to_context = true;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    if (!fields.Has(name)) continue;
    request.service.shorten_to_context = false;
    generation.max_new_tokens =
        static_cast<int>(fields.IntegerOr(name, 0, {1, limits.max_new_tokens}));
  }
}

// The most probable token unless anything about sampling is said, as `ixc describe`.
void ReadSampling(const RequestFields& fields, CompletionRequest& request) {
  GenerationOptions& generation = request.service.request.generation;
  const double temperature = fields.NumberOr("temperature", 1, {0, 2});
  generation.sample =
      (fields.Has("temperature") || fields.Has("top_p") || fields.Has("top_k")) && temperature > 0;
  if (temperature > 0) generation.temperature = static_cast<float>(temperature);
  generation.top_p = static_cast<float>(fields.NumberOr("top_p", generation.top_p, {0, 1}));
  // OpenAI allows 0, which leaves the best token only, as a very small one does.
  generation.top_p = std::max(generation.top_p, 1e-6f);
  const int64_t top_k = fields.IntegerOr("top_k", generation.top_k, {-1, 1 << 20});
  generation.top_k = static_cast<int>(std::max<int64_t>(top_k, 0));
  generation.repetition_penalty = static_cast<float>(
      fields.NumberOr("repetition_penalty", generation.repetition_penalty, {0.01, 10}));
  if (fields.Has("seed")) {
    request.has_seed = true;
    generation.seed = static_cast<uint64_t>(
        fields.IntegerOr("seed", 0, {std::numeric_limits<int64_t>::min(), kPositive.max}));
  }
  request.service.presence_penalty =
      static_cast<float>(fields.NumberOr("presence_penalty", 0, {-2, 2}));
  request.service.frequency_penalty =
      static_cast<float>(fields.NumberOr("frequency_penalty", 0, {-2, 2}));
}

std::vector<std::string> ReadStop(const RequestFields& fields, const RequestLimits& limits) {
  const Json* stop = fields.Find("stop");
  if (stop == nullptr) return {};
  std::vector<std::string> texts;
  const auto add = [&](const Json& text) {
    if (!text.is_string())
      RejectField("stop", "request: stop wanted a string or a list of strings");
    texts.push_back(text.get<std::string>());
    if (texts.back().empty() || texts.back().size() > limits.max_stop_bytes) {
      RejectField("stop",
                  fmt::format("request: a stop text has 1 to {} bytes", limits.max_stop_bytes));
    }
  };
  if (!stop->is_array()) {
    add(*stop);
    return texts;
  }
  if (stop->size() > limits.max_stop_texts) {
    RejectField("stop", fmt::format("request: {} stop texts, at most {} are watched for",
                                    stop->size(), limits.max_stop_texts));
  }
  for (const Json& text : *stop) add(text);
  return texts;
}

std::map<int32_t, float> ReadBias(const RequestFields& fields, const RequestLimits& limits) {
  const Json* bias = fields.Find("logit_bias");
  std::map<int32_t, float> biases;
  if (bias == nullptr) return biases;
  if (!bias->is_object()) RejectField("logit_bias", "request: logit_bias wanted an object");
  if (bias->size() > limits.max_biases) {
    RejectField("logit_bias", fmt::format("request: {} entries of logit_bias, at most {} are taken",
                                          bias->size(), limits.max_biases));
  }
  const RequestFields values(*bias, "logit_bias.");
  for (const auto& [name, value] : bias->items()) {
    int32_t id = -1;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), id);
    if (read.ec != std::errc() || read.ptr != name.data() + name.size() || id < 0 ||
        id >= limits.vocabulary) {
      RejectField("logit_bias", fmt::format("request: logit_bias names token ids from 0 to {}",
                                            limits.vocabulary - 1));
    }
    biases[id] = static_cast<float>(values.NumberOr(name, 0, {-100, 100}));
  }
  return biases;
}

void ReadStream(const RequestFields& fields, CompletionRequest& request) {
  request.stream = fields.BoolOr("stream", false);
  const Json* options = fields.Find("stream_options");
  if (options == nullptr) return;
  if (!request.stream) RejectField("stream_options", "request: stream_options wants stream: true");
  const RequestFields stream(*options, "stream_options.");
  constexpr std::array<std::string_view, 2> kKnown = {"include_usage", "include_obfuscation"};
  stream.CheckNames({kKnown});
  request.include_usage = stream.BoolOr("include_usage", false);
  if (stream.BoolOr("include_obfuscation", false)) {
    RejectField("stream_options.include_obfuscation", "request: obfuscation is not supported");
  }
}

std::shared_ptr<const ByteGrammar> ReadFormat(const RequestFields& fields) {
  const Json* value = fields.Find("response_format");
  if (value == nullptr) return nullptr;
  const RequestFields format(*value, "response_format.");
  const std::string type = format.String("type");
  if (type == "text") return nullptr;
  if (type == "json_object") return JsonObjectGrammar();
  if (type != "json_schema") {
    RejectField("response_format.type",
                "request: response_format.type is one of text, json_object "
                "and json_schema");
  }
  const Json* schema = format.Find("json_schema");
  if (schema == nullptr) {
    RejectField("response_format.json_schema", "request: response_format wants a json_schema");
  }
  const RequestFields named(*schema, "response_format.json_schema.");
  constexpr std::array<std::string_view, 4> kKnown = {"name", "description", "strict", "schema"};
  named.CheckNames({kKnown});
  const Json* content = named.Find("schema");
  if (content == nullptr) {
    RejectField("response_format.json_schema.schema", "request: the json_schema has no schema");
  }
  return ReadField("response_format.json_schema.schema",
                   [&] { return JsonSchemaGrammar(ToText(*content)); });
}

void ReadHdNum(const RequestFields& fields, const RequestLimits& limits,
               CompletionRequest& request) {
  const Json* value = fields.Find("hd_num");
  if (value == nullptr) return;
  std::vector<int>& numbers = request.service.request.hd_num;
  const auto add = [&](const Json& number) {
    if (!number.is_number_integer() || number < 1 || number > limits.max_hd_num) {
      RejectField("hd_num", fmt::format("request: hd_num wanted 1 to {}, for all pictures or one "
                                        "each",
                                        limits.max_hd_num));
    }
    numbers.push_back(number.get<int>());
  };
  if (!value->is_array()) return add(*value);
  if (value->size() != request.picture_urls.size()) {
    RejectField("hd_num", fmt::format("request: {} hd numbers for {} pictures", value->size(),
                                      request.picture_urls.size()));
  }
  for (const Json& number : *value) add(number);
}

// What both kinds of request have in common. Pictures have been read.
void ReadShared(const RequestFields& fields, const RequestLimits& limits,
                CompletionRequest& request) {
  request.model = fields.String("model");
  request.choices = static_cast<int>(fields.IntegerOr("n", 1, {1, limits.max_choices}));
  ReadStream(fields, request);
  ReadLength(fields, limits, request);
  ReadSampling(fields, request);
  ReadHdNum(fields, limits, request);
  request.service.stop = ReadStop(fields, limits);
  request.service.logit_bias = ReadBias(fields, limits);
  request.grammar = ReadFormat(fields);
}

// --- messages ----------------------------------------------------------------------------------

// Turns the messages of a chat into the query and history of a request.
class Messages {
 public:
  Messages(const RequestLimits& limits, CompletionRequest& request)
      : limits_(limits), request_(request) {}

  void Read(const Json& messages) {
    if (!messages.is_array() || messages.empty()) {
      RejectField("messages", "request: messages wanted a list with at least one message");
    }
    if (messages.size() > static_cast<size_t>(limits_.max_messages)) {
      RejectField("messages", fmt::format("request: {} messages, at most {} are taken",
                                          messages.size(), limits_.max_messages));
    }
    for (size_t i = 0; i < messages.size(); ++i) ReadMessage(messages[i], i);
    if (!asked_) RejectField("messages", "request: the last message has to be one of the user");
    CheckMarks();
  }

 private:
  void ReadMessage(const Json& message, size_t index) {
    param_ = fmt::format("messages[{}]", index);
    const RequestFields fields(message, param_ + ".");
    constexpr std::array<std::string_view, 6> kKnown = {"role",    "content",    "name",
                                                        "refusal", "tool_calls", "annotations"};
    fields.CheckNames({kKnown});
    for (const char* unused : {"refusal", "tool_calls"}) {
      const Json* value = fields.Find(unused);
      if (value != nullptr && !value->empty()) {
        RejectField(fields.Name(unused),
                    fmt::format("request: {} is not supported", fields.Name(unused)),
                    "unsupported_field");
      }
    }
    const std::string role = fields.String("role");
    const Json* content = fields.Find("content");
    if (content == nullptr)
      RejectField(fields.Name("content"), "request: " + param_ + " has no content");
    Request& request = request_.service.request;
    if (role == "system" || role == "developer") {
      if (index > 0) RejectOrder("a system message stands first");
      request.system = ReadContent(*content, /*pictures=*/false);
    } else if (role == "user") {
      if (asked_) RejectOrder("two messages of the user in a row; join them");
      request.query = ReadContent(*content, /*pictures=*/true);
      asked_ = true;
    } else if (role == "assistant") {
      if (!asked_) RejectOrder("an answer without a message of the user before it");
      request.history.emplace_back(std::exchange(request.query, {}),
                                   ReadContent(*content, /*pictures=*/false));
      asked_ = false;
    } else {
      RejectField(fields.Name("role"),
                  fmt::format("request: {} is one of system, developer, user and assistant",
                              fields.Name("role")));
    }
  }

  [[noreturn]] void RejectOrder(const char* reason) {
    RejectField(param_, fmt::format("request: {}: {}", param_, reason));
  }

  std::string ReadContent(const Json& content, bool pictures) {
    if (content.is_string()) return Text(content.get_ref<const std::string&>());
    if (!content.is_array()) {
      RejectField(param_ + ".content",
                  "request: " + param_ + ".content wanted a string or a list of parts");
    }
    std::string text;
    for (size_t i = 0; i < content.size(); ++i) {
      text += ReadPart(content[i], fmt::format("{}.content[{}]", param_, i), pictures);
    }
    return text;
  }

  std::string ReadPart(const Json& part, const std::string& param, bool pictures) {
    const RequestFields fields(part, param + ".");
    const std::string type = fields.String("type");
    if (type == "text") {
      constexpr std::array<std::string_view, 2> kKnown = {"type", "text"};
      fields.CheckNames({kKnown});
      return Text(fields.String("text"));
    }
    if (type != "image_url" || !pictures) {
      RejectField(fields.Name("type"),
                  fmt::format("request: {} is {}", fields.Name("type"),
                              pictures ? "text or image_url" : "text in a message of this role"));
    }
    constexpr std::array<std::string_view, 2> kKnown = {"type", "image_url"};
    fields.CheckNames({kKnown});
    const Json* picture = fields.Find("image_url");
    if (picture == nullptr) RejectField(fields.Name("image_url"), "request: a picture has no URL");
    if (picture->is_string()) return Picture(picture->get<std::string>(), param);
    const RequestFields inner(*picture, fields.Name("image_url."));
    constexpr std::array<std::string_view, 2> kInner = {"url", "detail"};
    inner.CheckNames({kInner});
    return Picture(inner.String("url"), param);
  }

  std::string Picture(std::string url, const std::string& param) {
    if (request_.picture_urls.size() == static_cast<size_t>(limits_.max_pictures)) {
      RejectField(param, fmt::format("request: more than {} pictures", limits_.max_pictures),
                  "too_many_pictures");
    }
    request_.picture_urls.push_back(std::move(url));
    return std::string(kImageMark);
  }

  std::string Text(std::string text) {
    if (param_of_mark_.empty() && text.find(kImageMark) != text.npos) param_of_mark_ = param_;
    return text;
  }

  // Where there are no pictures a mark that somebody wrote is plain text. Where there are some it
  // could not be told from the place of one. (Parts are checked one by one: two of them that make
  // a mark together are found below.)
  void CheckMarks() {
    Request& request = request_.service.request;
    if (request_.picture_urls.empty()) {
      request.image_marks = ImageMarks::kLoose;
      return;
    }
    request.image_marks = ImageMarks::kStrict;
    size_t marks = CountMarks(request.query);
    if (request.system) marks += CountMarks(*request.system);
    for (const auto& [query, answer] : request.history) {
      marks += CountMarks(query) + CountMarks(answer);
    }
    if (param_of_mark_.empty() && marks == request_.picture_urls.size()) return;
    RejectField(param_of_mark_.empty() ? "messages" : param_of_mark_,
                fmt::format("request: the text {} stands for pictures and cannot be written out in "
                            "a conversation that has some",
                            kImageMark),
                "picture_mark_in_text");
  }

  static size_t CountMarks(std::string_view text) {
    size_t count = 0;
    for (size_t at; (at = text.find(kImageMark)) != text.npos; ++count) {
      text.remove_prefix(at + kImageMark.size());
    }
    return count;
  }

  const RequestLimits& limits_;
  CompletionRequest& request_;
  std::string param_;
  std::string param_of_mark_;
  bool asked_ = false;
};

// Fields that may be there with the one value that asks for nothing.
void CheckModalities(const RequestFields& fields) {
  const Json* value = fields.Find("modalities");
  if (value != nullptr && *value != Json::array({"text"})) {
    RejectField("modalities", "request: modalities can only be [\"text\"]", "unsupported_field");
  }
}

std::string ReadPrompt(const RequestFields& fields) {
  const Json* prompt = fields.Find("prompt");
  if (prompt != nullptr && prompt->is_array() && prompt->size() == 1) prompt = &(*prompt)[0];
  if (prompt == nullptr || !prompt->is_string()) {
    RejectField("prompt", "request: prompt wanted a string");
  }
  return prompt->get<std::string>();
}

}  // namespace

CompletionRequest ParseChatRequest(std::string_view body, const RequestLimits& limits) {
  const Json json = ParseBody(body, limits.max_body_bytes, limits.max_string_bytes);
  const RequestFields fields(json, "");
  fields.CheckNames({kShared, kChatOnly, kIgnored});
  CheckModalities(fields);
  CompletionRequest request;
  const Json* messages = fields.Find("messages");
  if (messages == nullptr) RejectField("messages", "request: there are no messages");
  Messages(limits, request).Read(*messages);
  ReadShared(fields, limits, request);
  const bool logprobs = fields.BoolOr("logprobs", false);
  const auto top =
      static_cast<int>(fields.IntegerOr("top_logprobs", 0, {0, limits.max_top_logprobs}));
  if (fields.Has("top_logprobs") && !logprobs) {
    RejectField("top_logprobs", "request: top_logprobs wants logprobs: true");
  }
  request.service.top_logprobs = logprobs ? top : -1;
  return request;
}

CompletionRequest ParseTextRequest(std::string_view body, const RequestLimits& limits) {
  const Json json = ParseBody(body, limits.max_body_bytes, limits.max_string_bytes);
  const RequestFields fields(json, "");
  fields.CheckNames({kShared, kTextOnly, kIgnored});
  for (const char* name : {"echo", "suffix"}) {
    const Json* value = fields.Find(name);
    if (value != nullptr && *value != false && *value != "") {
      RejectField(name, fmt::format("request: {} is not supported", name), "unsupported_field");
    }
  }
  CompletionRequest request;
  request.chat = false;
  request.service.plain_text = true;
  request.service.request.query = ReadPrompt(fields);
  request.service.request.image_marks = ImageMarks::kLoose;
  ReadShared(fields, limits, request);
  fields.IntegerOr("best_of", request.choices, {request.choices, request.choices});
  request.service.top_logprobs =
      static_cast<int>(fields.IntegerOr("logprobs", -1, {0, limits.max_top_logprobs}));
  return request;
}

}  // namespace ixc
