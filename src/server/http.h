// HTTP as the routes of the server see it: requests that are complete, and answers that are sent at
// once or piece by piece. http_server.h is the implementation; tests use a recording double.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ixc {

// What is known before the body has been read.
struct HttpHead {
  std::string method;
  std::string path;  // without the query
  std::string host;
  std::string authorization;
  std::string content_type;
};

struct HttpRequest {
  HttpHead head;
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // others than the usual ones
};

// One request that waits for its answer. Everything may be called from any thread; what comes after
// the answer's end, or after the client has left, is ignored.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  // Runs `work` on the IO thread, where nothing may wait.
  virtual void Post(std::function<void()> work) = 0;
  // `gone` is called on the IO thread, once, when the client leaves before the answer's end, or
  // does not read what it asked for. Set it before the answer begins.
  virtual void OnGone(std::function<void()> gone) = 0;

  // The whole answer.
  virtual void Send(HttpResponse response) = 0;
  // An answer in pieces: its head (without a body), then any number of pieces, then the end.
  virtual void Begin(HttpResponse head) = 0;
  virtual void Write(std::string piece) = 0;
  virtual void End() = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Both on the IO thread; neither may wait. Check() sees a request before its body is read and may
  // answer it at once, in which case the body is not read.
  virtual std::optional<HttpResponse> Check(const HttpHead& head) = 0;
  virtual void Handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) = 0;
  // The answer to what is no valid or no timely request: status 400, 408, 413, 431 or 503.
  virtual HttpResponse Refusal(int status) = 0;
};

}  // namespace ixc
