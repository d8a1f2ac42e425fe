// A completion from its body to the last byte of its answer.
//
// A worker reads the body, gets the pictures and submits one request a choice; from then on
// everything happens on the IO thread, to which the engine's calls are handed over. When the client
// leaves, the requests are cancelled.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/api_context.h"
#include "server/api_error.h"
#include "server/http.h"
#include "server/openai_response.h"

namespace ixc {

class CompletionJob : public std::enable_shared_from_this<CompletionJob> {
 public:
  CompletionJob(std::shared_ptr<ApiContext> context, std::shared_ptr<const ServedModel> model,
                std::shared_ptr<HttpExchange> exchange, bool chat, RequestLog log);
  ~CompletionJob();

  // On the IO thread, before Run().
  void WatchClient();
  // On a worker. Throws nothing: what goes wrong is the answer.
  void Run(const std::string& body, const std::string& cache_space);

 private:
  struct Choice {
    AnswerPart part;  // what has come, or, in a stream, what was not sent yet
    size_t num_characters = 0;
    bool finished = false;
  };

  // An error as it is sent. Handed to the IO thread instead of the exception, which shares its text
  // between copies in a way that thread checkers cannot see into.
  struct Failure {
    explicit Failure(const ApiError& error)
        : response(ToResponse(error)), event(ToJsonText(error)), code(error.code()) {}
    HttpResponse response;  // when nothing has been sent yet
    std::string event;      // else
    std::string code;
  };

  CompletionRequest Prepare(const std::string& body, const std::string& cache_space);
  void LoadPictures(CompletionRequest& request);
  void SubmitAll(CompletionRequest request);
  void Submit(ServiceRequest request, size_t index);
  void CancelAll();

  // On the IO thread.
  void OnToken(size_t index, TokenEvent event);
  void OnFinish(size_t index, const ServiceResult& result);
  void BeginStream();
  void SendEvent(const std::string& json);
  void FinishAnswer();
  void Fail(const Failure& failure);
  void WriteLog(int status, const std::string& end);
  bool IsStop(int32_t id) const;

  const std::shared_ptr<ApiContext> context_;
  const std::shared_ptr<const ServedModel> model_;
  const std::shared_ptr<HttpExchange> exchange_;
  const std::chrono::steady_clock::time_point begin_;
  RequestLog log_;
  AnswerHead head_;

  // Set before the first Submit() and not changed after.
  bool stream_ = false;
  bool include_usage_ = false;
  bool logprobs_ = false;
  ByteBudget::Share pictures_share_;

  // On the IO thread only.
  std::vector<Choice> choices_;
  Usage usage_;
  bool stream_begun_ = false;
  bool ended_ = false;

  std::mutex mutex_;  // of the two below
  std::vector<uint64_t> numbers_;
  bool gone_ = false;
};

}  // namespace ixc
