// The routes: who may ask, what is asked, and what answers it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/api_context.h"
#include "server/http.h"
#include "server/worker_pool.h"

namespace ixc {

class Api : public HttpHandler {
 public:
  explicit Api(ApiOptions options);
  ~Api() override;  // Stop()

  // Until then everything that needs the model answers 503.
  void SetModel(ServedModel model);
  // New completions are refused with 503; those that wait or run go on.
  void Drain();
  // No completion is waiting, running or being sent.
  bool IsIdle() const;
  // Ends the workers; the model is not used by them any more.
  void Stop();

  std::optional<HttpResponse> Check(const HttpHead& head) override;
  void Handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) override;
  HttpResponse Refusal(int status) override;

  // For /metrics.
  void SetConnectionCount(std::function<int()> count) { num_connections_ = std::move(count); }

 private:
  void Complete(HttpRequest request, std::shared_ptr<HttpExchange> exchange, RequestLog log);
  HttpResponse Answer(const HttpRequest& request) const;
  HttpResponse Health() const;
  HttpResponse Models(bool one) const;  // the model itself, or the list that it stands in
  HttpResponse Prometheus() const;
  void CheckHost(const HttpHead& head) const;
  void CheckKey(const HttpHead& head) const;

  std::shared_ptr<ApiContext> context_;
  WorkerPool workers_;
  std::function<int()> num_connections_;
  const int64_t created_;
};

}  // namespace ixc
