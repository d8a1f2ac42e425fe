// Answers in OpenAI's shape: whole ones, and the events of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/service.h"

namespace ixc {

// What all parts of an answer repeat.
struct AnswerHead {
  bool chat = true;
  std::string id;
  std::string model;
  int64_t created = 0;  // seconds since 1970
};

// A choice, or what is new of it.
struct AnswerPart {
  int index = 0;
  std::string text;
  bool has_logprobs = false;
  std::vector<TokenEvent> tokens;  // those with probabilities
  size_t text_offset = 0;          // of the first of them, in characters
  std::optional<FinishReason> finish;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t image_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
};

std::string WholeAnswer(const AnswerHead& head, std::span<const AnswerPart> choices,
                        const Usage& usage);

// JSON of the events of a stream. The first one of a chat's choice tells its role.
std::string FirstEvent(const AnswerHead& head, int index);
std::string PartEvent(const AnswerHead& head, const AnswerPart& part);
std::string UsageEvent(const AnswerHead& head, const Usage& usage);

// Characters of the pieces of `tokens`: what their text moves text_offset by.
size_t CountCharacters(std::span<const TokenEvent> tokens);

}  // namespace ixc
