// Many requests at once through one model: what a server sees of the engine.
//
// Requests are submitted from any thread and answered by one engine thread of the service, which
// also calls their sinks. BatchEngine (batch_engine.h) is the implementation; tests of the server
// use a double of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/token_constraint.h"
#include "ixc/request.h"

namespace ixc {

struct ServiceRequest {
  Request request;  // one beam, no speculation
  // Prompt as plain text without any turn around it (the /v1/completions of OpenAI): request.query
  // is taken as it stands, history, system and pictures are empty.
  bool plain_text = false;
  // Texts that end the answer and are not part of it. None is empty.
  std::vector<std::string> stop;
  // Natural-logarithm probabilities of the chosen token and of so many best ones; -1: none.
  int top_logprobs = -1;
  // Added to raw logits before anything else.
  std::map<int32_t, float> logit_bias;
  // OpenAI's: subtracted once for every token that was generated before, and times how often.
  float presence_penalty = 0;
  float frequency_penalty = 0;
  // max_new_tokens is a default and gives way where the context has less left.
  bool shorten_to_context = false;
  std::shared_ptr<TokenConstraint> constraint;  // may be null; used by this request only
  // Requests share what was read before with requests of the same name only.
  std::string cache_space;
};

struct TokenProbability {
  int32_t id = 0;
  std::string bytes;  // of the piece alone; may be a part of a character
  float logprob = 0;
};

// One generated token. `text` is what has become certain by it: whole UTF-8 characters that cannot
// be the beginning of a stop text; often empty, never taken back. The last token's event also has
// what was held back until then.
struct TokenEvent {
  int32_t id = 0;
  std::string text;
  std::optional<TokenProbability> chosen;  // with top_logprobs >= 0, as is the next
  std::vector<TokenProbability> best;      // most probable first
};

enum class ServiceErrorKind {
  kBadRequest,     // the request cannot be answered as it is
  kContextLength,  // prompt and max_new_tokens are longer than the model or the block pool takes
  kQueueFull,      // too many requests wait: try again later
  kDraining,       // no new requests are taken any more
  kInternal,
};

struct ServiceError {
  ServiceErrorKind kind = ServiceErrorKind::kInternal;
  std::string message;  // one line, without paths
};

// How a request ended. `error` is set instead of the rest when it could not be answered.
struct ServiceResult {
  std::optional<ServiceError> error;
  FinishReason finish_reason = FinishReason::kStop;
  int64_t prompt_tokens = 0;  // image tokens included
  int64_t image_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;    // the stop token included
  double queue_seconds = 0;        // until it was first worked on
  double first_token_seconds = 0;  // from Submit()
  double total_seconds = 0;
};

// Called from the engine thread, never after on_finish, which is called exactly once. They must
// not block and may call Cancel() and Submit().
struct ServiceSink {
  std::function<void(const TokenEvent& event)> on_token;
  std::function<void(const ServiceResult& result)> on_finish;
};

// Counters only grow; gauges are of this moment. Seconds are sums.
struct ServiceStats {
  int64_t waiting = 0, running = 0;  // requests
  int64_t kv_blocks_total = 0, kv_blocks_used = 0;
  int64_t kv_blocks_cached = 0;  // of the used ones: by no request, kept for later prompts
  int64_t picture_cache_bytes = 0;
  int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0;
  int64_t finished = 0, cancelled = 0, failed = 0;
  int64_t steps = 0;  // of the engine: each runs all decoding requests and a chunk of a prompt
  double tower_seconds = 0;
};

class Service {
 public:
  virtual ~Service() = default;

  // Takes the request and returns its number, or tells on the calling thread, through
  // sink.on_finish, why not (the number is then of no use).
  virtual uint64_t Submit(ServiceRequest request, ServiceSink sink) = 0;
  // Ends a request at the next step, with FinishReason::kCancelled. Unknown numbers are ignored.
  virtual void Cancel(uint64_t number) = 0;
  // No new requests from now on; those that wait or run go on. Returns at once.
  virtual void Drain() = 0;
  virtual bool IsIdle() const = 0;  // nothing waits or runs
  virtual ServiceStats Stats() const = 0;
};

}  // namespace ixc
