#include "engine/batch_job.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "engine/generate.h"

namespace ixc {

namespace {

void CheckRequest(const ServiceRequest& service, int64_t vocab_size) {
  const Request& request = service.request;
  CheckGeneration(request.generation);
  if (request.generation.num_beams != 1) Fail("a request of many at once has no beam search");
  for (const std::string& stop : service.stop) {
    if (stop.empty() || !IsUtf8(stop)) Fail("a stop text is empty or no UTF-8");
  }
  for (const auto& [id, bias] : service.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      Fail("logit_bias names token {}; the vocabulary has ids 0 to {}", id, vocab_size - 1);
    }
    if (!std::isfinite(bias)) Fail("logit_bias of token {} is no finite number", id);
  }
  if (!std::isfinite(service.presence_penalty) || !std::isfinite(service.frequency_penalty)) {
    Fail("presence and frequency penalty want finite numbers");
  }
  if (service.plain_text && (!request.history.empty() || !request.images.empty())) {
    Fail("a plain text has neither history nor pictures");
  }
}

PromptSequence PlainText(const Tokenizer& tokenizer, const Request& request) {
  PromptSequence prompt;
  prompt.prompt = request.query;
  const TextRange whole{0, request.query.size()};
  const auto typed = std::span(&whole, request.allow_control_tokens ? 0u : 1u);
  prompt.segments.push_back({tokenizer.EncodeWithBos(request.query, typed)});
  return prompt;
}

}  // namespace

PictureEncoding* BatchJob::OpenPicture() const {
  for (const auto& picture : pictures) {
    if (picture != nullptr && !picture->is_done()) return picture.get();
  }
  return nullptr;
}

std::vector<const Matrix*> BatchJob::PictureEmbeds() const {
  std::vector<const Matrix*> embeds;
  for (const auto& picture : pictures) {
    embeds.push_back(picture == nullptr ? nullptr : picture->embeds().get());
  }
  return embeds;
}

std::optional<ServiceError> PrepareJob(const Pipeline& pipeline, int64_t max_context,
                                       BatchJob& job) {
  const Request& request = job.request.request;
  std::vector<int64_t> image_tokens;
  try {
    CheckRequest(job.request, pipeline.model().config().vocab_size);
    job.prompt = job.request.plain_text ? PlainText(pipeline.tokenizer(), request)
                                        : pipeline.BuildPrompt(request);
    image_tokens = pipeline.CountImageTokens(request);
  } catch (const Error& error) {
    return ServiceError{ServiceErrorKind::kBadRequest, error.what()};
  }
  try {
    job.assembled = pipeline.LayOut(job.prompt, image_tokens);
  } catch (const Error& error) {
    return ServiceError{ServiceErrorKind::kContextLength, error.what()};
  }
  const int64_t prompt_tokens = job.assembled.num_tokens();
  const int64_t left = max_context - prompt_tokens;
  int& new_tokens = job.request.request.generation.max_new_tokens;
  if (job.request.shorten_to_context && left >= 1 && new_tokens > left) {
    new_tokens = static_cast<int>(left);
  }
  if (new_tokens > left) {
    return ServiceError{
        ServiceErrorKind::kContextLength,
        fmt::format("the prompt has {} tokens ({} of pictures), and {} new ones were asked for; "
                    "together they may be at most {}",
                    prompt_tokens, job.assembled.image_tokens, new_tokens, max_context)};
  }
  try {
    pipeline.CheckMemory(request, job.assembled);
  } catch (const Error& error) {
    return ServiceError{ServiceErrorKind::kBadRequest, error.what()};
  }
  job.keys = pipeline.KeysOf(request, job.assembled);
  job.answer.emplace(job.request, pipeline.tokenizer(), pipeline.stop_ids(),
                     job.assembled.penalised_ids);
  job.result.prompt_tokens = prompt_tokens;
  job.result.image_tokens = job.assembled.image_tokens;
  return std::nullopt;
}

}  // namespace ixc
