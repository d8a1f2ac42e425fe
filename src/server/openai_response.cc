#include "server/openai_response.h"

#include <algorithm>

#include "base/json.h"

namespace ixc {
namespace {

const char* NameOf(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

size_t CountCharacters(const std::string& bytes) {
  return static_cast<size_t>(
      std::ranges::count_if(bytes, [](char c) { return (c & 0xC0) != 0x80; }));
}

Json Probability(const TokenProbability& token) {
  Json bytes = Json::array();
  for (char c : token.bytes) bytes.push_back(static_cast<uint8_t>(c));
  Json json;
  json["token"] = token.bytes;  // broken characters become U+FFFD when written; bytes are exact
  json["logprob"] = token.logprob;
  json["bytes"] = std::move(bytes);
  return json;
}

Json ChatLogprobs(const AnswerPart& part) {
  Json content = Json::array();
  for (const TokenEvent& token : part.tokens) {
    Json entry = Probability(*token.chosen);
    entry["top_logprobs"] = Json::array();
    for (const TokenProbability& best : token.best) {
      entry["top_logprobs"].push_back(Probability(best));
    }
    content.push_back(std::move(entry));
  }
  Json json;
  json["content"] = std::move(content);
  json["refusal"] = nullptr;
  return json;
}

Json TextLogprobs(const AnswerPart& part) {
  Json json;
  for (const char* name : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
    json[name] = Json::array();
  }
  size_t offset = part.text_offset;
  for (const TokenEvent& token : part.tokens) {
    json["tokens"].push_back(token.chosen->bytes);
    json["token_logprobs"].push_back(token.chosen->logprob);
    Json best = Json::object();
    for (const TokenProbability& other : token.best) best[other.bytes] = other.logprob;
    json["top_logprobs"].push_back(std::move(best));
    json["text_offset"].push_back(offset);
    offset += CountCharacters(token.chosen->bytes);
  }
  return json;
}

Json Choice(const AnswerHead& head, const AnswerPart& part, const char* content_name) {
  Json choice;
  choice["index"] = part.index;
  if (head.chat) {
    Json content;
    if (content_name == std::string_view("message")) content["role"] = "assistant";
    // The last event of a stream tells why it ended and adds nothing.
    if (content_name == std::string_view("message") || !part.finish || !part.text.empty()) {
      content["content"] = part.text;
    }
    choice[content_name] = content.is_null() ? Json::object() : std::move(content);
  } else {
    choice["text"] = part.text;
  }
  const bool none = !part.has_logprobs || (part.tokens.empty() && part.text.empty());
  choice["logprobs"] = none ? Json(nullptr) : head.chat ? ChatLogprobs(part) : TextLogprobs(part);
  choice["finish_reason"] = part.finish ? Json(NameOf(*part.finish)) : Json(nullptr);
  return choice;
}

Json Body(const AnswerHead& head, const char* chat_object) {
  Json body;
  body["id"] = head.id;
  body["object"] = head.chat ? chat_object : "text_completion";
  body["created"] = head.created;
  body["model"] = head.model;
  body["choices"] = Json::array();
  return body;
}

Json ToJson(const Usage& usage) {
  Json json;
  json["prompt_tokens"] = usage.prompt_tokens;
  json["completion_tokens"] = usage.completion_tokens;
  json["total_tokens"] = usage.prompt_tokens + usage.completion_tokens;
  json["prompt_tokens_details"] = {{"cached_tokens", usage.cached_tokens},
                                   {"image_tokens", usage.image_tokens}};
  return json;
}

}  // namespace

std::string WholeAnswer(const AnswerHead& head, std::span<const AnswerPart> choices,
                        const Usage& usage) {
  Json body = Body(head, "chat.completion");
  for (const AnswerPart& part : choices) {
    body["choices"].push_back(Choice(head, part, "message"));
  }
  body["usage"] = ToJson(usage);
  return ToText(body);
}

std::string FirstEvent(const AnswerHead& head, int index) {
  Json body = Body(head, "chat.completion.chunk");
  Json choice;
  choice["index"] = index;
  choice["delta"] = {{"role", "assistant"}, {"content", ""}};
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = nullptr;
  body["choices"].push_back(std::move(choice));
  return ToText(body);
}

std::string PartEvent(const AnswerHead& head, const AnswerPart& part) {
  Json body = Body(head, "chat.completion.chunk");
  body["choices"].push_back(Choice(head, part, "delta"));
  return ToText(body);
}

std::string UsageEvent(const AnswerHead& head, const Usage& usage) {
  Json body = Body(head, "chat.completion.chunk");
  body["usage"] = ToJson(usage);
  return ToText(body);
}

size_t CountCharacters(std::span<const TokenEvent> tokens) {
  size_t characters = 0;
  for (const TokenEvent& token : tokens) characters += CountCharacters(token.chosen->bytes);
  return characters;
}

}  // namespace ixc
