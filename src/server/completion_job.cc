#include "server/completion_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/clock.h"

namespace ixc {
namespace {

uint64_t RandomNumber() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

ApiError ToApiError(const ServiceError& error) {
  switch (error.kind) {
    case ServiceErrorKind::kBadRequest:
      return ApiError(400, "invalid_request", "", error.message);
    case ServiceErrorKind::kContextLength:
      return ApiError(400, "context_length_exceeded", "messages", error.message);
    case ServiceErrorKind::kQueueFull:
      return ApiError(429, "queue_full", "", "too many requests wait; try again later");
    case ServiceErrorKind::kDraining:
      return ApiError(503, "draining", "", "the server is about to stop");
    case ServiceErrorKind::kInternal:
      break;
  }
  return ApiError(500, "internal_error", "", "the answer could not be made");
}

}  // namespace

CompletionJob::CompletionJob(std::shared_ptr<ApiContext> context,
                             std::shared_ptr<const ServedModel> model,
                             std::shared_ptr<HttpExchange> exchange, bool chat, RequestLog log)
    : context_(std::move(context)),
      model_(std::move(model)),
      exchange_(std::move(exchange)),
      begin_(std::chrono::steady_clock::now()),
      log_(std::move(log)) {
  head_.chat = chat;
  head_.id = fmt::format("{}-{:016x}", chat ? "chatcmpl" : "cmpl", RandomNumber());
  head_.created = std::chrono::duration_cast<std::chrono::seconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
  ++context_->num_jobs;
}

CompletionJob::~CompletionJob() { --context_->num_jobs; }

void CompletionJob::WatchClient() {
  exchange_->OnGone([self = shared_from_this()] {
    self->CancelAll();
    self->WriteLog(499, "cancelled");
  });
}

// --- on a worker -------------------------------------------------------------------------------

void CompletionJob::Run(const std::string& body, const std::string& cache_space) {
  const auto fail = [this](const ApiError& error) {
    exchange_->Post([self = shared_from_this(), failure = Failure(error)] { self->Fail(failure); });
  };
  try {
    SubmitAll(Prepare(body, cache_space));
  } catch (const ApiError& error) {
    fail(error);
  } catch (const Error& error) {
    fail(ApiError(400, "invalid_request", "", error.what()));
  } catch (const std::bad_alloc&) {
    fail(ApiError(503, "out_of_memory", "", "too little memory for this request now"));
  } catch (const std::exception&) {
    fail(ApiError(500, "internal_error", "", "the answer could not be made"));
  }
}

CompletionRequest CompletionJob::Prepare(const std::string& body, const std::string& cache_space) {
  RequestLimits limits = context_->options.limits;
  limits.vocabulary = model_->tokenizer->vocab_size();
  CompletionRequest request =
      head_.chat ? ParseChatRequest(body, limits) : ParseTextRequest(body, limits);
  if (request.model != context_->options.model_name) {
    throw ApiError(404, "model_not_found", "model",
                   fmt::format("the model '{}' does not exist here", request.model));
  }
  head_.model = request.model;
  request.service.cache_space = cache_space;
  LoadPictures(request);
  if (!request.has_seed) request.service.request.generation.seed = RandomNumber();
  stream_ = request.stream;
  include_usage_ = request.include_usage;
  logprobs_ = request.service.top_logprobs >= 0;
  return request;
}

void CompletionJob::LoadPictures(CompletionRequest& request) {
  std::vector<Image>& images = request.service.request.images;
  uint64_t bytes = 0;
  for (size_t i = 0; i < request.picture_urls.size(); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    images.push_back(LoadPicture(request.picture_urls[i], fmt::format("picture {}", i + 1),
                                 context_->options.pictures));
    context_->metrics.CountPicture(SecondsSince(begin));
    bytes += images.back().rgb.size() * static_cast<uint64_t>(request.choices);
    if (!pictures_share_.GrowTo(context_->picture_memory, bytes)) {
      throw ApiError(
          429, "too_many_pictures_waiting", "",
          "the pictures of other requests take all memory for pictures; try again later");
    }
    std::string().swap(request.picture_urls[i]);
  }
  log_.pictures = static_cast<int64_t>(images.size());
}

void CompletionJob::SubmitAll(CompletionRequest request) {
  const auto num_choices = static_cast<size_t>(request.choices);
  // Filled on the IO thread before any token gets there.
  exchange_->Post([self = shared_from_this(), num_choices] {
    self->choices_.resize(num_choices);
    for (size_t i = 0; i < num_choices; ++i) {
      self->choices_[i].part.index = static_cast<int>(i);
      self->choices_[i].part.has_logprobs = self->logprobs_;
    }
  });
  for (size_t i = 0; i < num_choices; ++i) {
    const bool last = i + 1 == num_choices;
    ServiceRequest one = last ? std::move(request.service) : request.service;
    one.request.generation.seed += i;
    if (request.grammar != nullptr) {
      one.constraint =
          std::make_shared<JsonConstraint>(request.grammar, model_->pieces, model_->stop_ids);
    }
    Submit(std::move(one), i);
  }
}

void CompletionJob::Submit(ServiceRequest request, size_t index) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
  }
  ServiceSink sink;
  sink.on_token = [self = shared_from_this(), index](const TokenEvent& event) {
    self->exchange_->Post([self, index, event] { self->OnToken(index, event); });
  };
  sink.on_finish = [self = shared_from_this(), index](const ServiceResult& result) {
    self->exchange_->Post([self, index, result] { self->OnFinish(index, result); });
  };
  const uint64_t number = model_->service->Submit(std::move(request), std::move(sink));
  const std::lock_guard lock(mutex_);
  numbers_.push_back(number);
  if (gone_) model_->service->Cancel(number);
}

void CompletionJob::CancelAll() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  for (uint64_t number : numbers_) model_->service->Cancel(number);
}

// --- on the IO thread --------------------------------------------------------------------------

void CompletionJob::OnToken(size_t index, TokenEvent event) {
  if (ended_) return;
  Choice& choice = choices_[index];
  AnswerPart& part = choice.part;
  part.text += event.text;
  if (logprobs_ && event.chosen && !IsStop(event.id)) part.tokens.push_back(std::move(event));
  if (!stream_) return;
  BeginStream();
  if (part.text.empty() && part.tokens.empty()) return;
  part.text_offset = choice.num_characters;
  SendEvent(PartEvent(head_, part));
  choice.num_characters += CountCharacters(part.tokens);
  part.text.clear();
  part.tokens.clear();
}

void CompletionJob::OnFinish(size_t index, const ServiceResult& result) {
  context_->metrics.CountFinished(result);
  if (ended_) return;
  if (result.error) return Fail(Failure(ToApiError(*result.error)));
  if (result.finish_reason == FinishReason::kCancelled) {
    return Fail(Failure(
        ApiError(503, "draining", "", "the server stopped before the answer was complete")));
  }
  if (usage_.completion_tokens == 0) {
    usage_.prompt_tokens = result.prompt_tokens;
    usage_.image_tokens = result.image_tokens;
    usage_.cached_tokens = result.cached_tokens;
    log_.first_token_seconds = result.first_token_seconds;
  }
  usage_.completion_tokens += result.generated_tokens;
  Choice& choice = choices_[index];
  choice.finished = true;
  choice.part.finish = result.finish_reason;
  if (stream_) {
    BeginStream();
    SendEvent(PartEvent(head_, choice.part));
  }
  if (std::ranges::all_of(choices_, &Choice::finished)) FinishAnswer();
}

void CompletionJob::BeginStream() {
  if (std::exchange(stream_begun_, true)) return;
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
  exchange_->Begin(std::move(response));
  if (!head_.chat) return;
  for (const Choice& choice : choices_) SendEvent(FirstEvent(head_, choice.part.index));
}

// Server-sent events: JSON has no line breaks in it, so each is one line.
void CompletionJob::SendEvent(const std::string& json) {
  exchange_->Write("data: " + json + "\n\n");
}

void CompletionJob::FinishAnswer() {
  ended_ = true;
  if (stream_) {
    if (include_usage_) SendEvent(UsageEvent(head_, usage_));
    SendEvent("[DONE]");
    exchange_->End();
  } else {
    std::vector<AnswerPart> parts;
    for (Choice& choice : choices_) parts.push_back(std::move(choice.part));
    HttpResponse response;
    response.body = WholeAnswer(head_, parts, usage_);
    exchange_->Send(std::move(response));
  }
  WriteLog(200, "done");
}

void CompletionJob::Fail(const Failure& failure) {
  if (std::exchange(ended_, true)) return;
  CancelAll();  // the other choices
  context_->metrics.CountRejected(failure.code);
  if (stream_begun_) {
    SendEvent(failure.event);
    exchange_->End();
  } else {
    exchange_->Send(failure.response);
  }
  WriteLog(failure.response.status, failure.code);
}

void CompletionJob::WriteLog(int status, const std::string& end) {
  ended_ = true;
  log_.status = status;
  log_.seconds = SecondsSince(begin_);
  log_.prompt_tokens = usage_.prompt_tokens;
  log_.cached_tokens = usage_.cached_tokens;
  log_.generated_tokens = usage_.completion_tokens;
  log_.end = end;
  context_->Log(log_);
}

bool CompletionJob::IsStop(int32_t id) const {
  return std::ranges::find(model_->stop_ids, id) != model_->stop_ids.end();
}

}  // namespace ixc
