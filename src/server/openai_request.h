// Bodies of POST /v1/chat/completions and /v1/completions, read strictly: a field that is neither
// understood nor on the list of those without effect is an error that names it, and so is every
// value out of its range. docs/serving.md has the table of fields.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json_grammar.h"
#include "engine/service.h"

namespace ixc {

struct RequestLimits {
  int max_choices = 8;  // n
  int max_pictures = 16;
  int max_messages = 512;
  int max_new_tokens = 1 << 20;
  int max_hd_num = 100;
  size_t max_stop_texts = 4;
  size_t max_stop_bytes = 256;
  size_t max_biases = 1024;
  int max_top_logprobs = 20;
  int32_t vocabulary = 0;  // ids of logit_bias are below
  // The longest string of a body: a picture as text.
  size_t max_string_bytes = size_t{14} << 20;
  size_t max_body_bytes = size_t{32} << 20;
};

struct CompletionRequest {
  bool chat = true;
  std::string model;
  // Without pictures, which `picture_urls` names in the order of their marks.
  ServiceRequest service;
  std::vector<std::string> picture_urls;
  int choices = 1;
  bool stream = false;
  bool include_usage = false;
  bool has_seed = false;  // else the caller chooses one
  // What the answer has to be; none: any text.
  std::shared_ptr<const ByteGrammar> grammar;
};

// Both throw ApiError.
CompletionRequest ParseChatRequest(std::string_view body, const RequestLimits& limits);
CompletionRequest ParseTextRequest(std::string_view body, const RequestLimits& limits);

}  // namespace ixc
