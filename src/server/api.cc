#include "server/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/json.h"
#include "server/api_error.h"
#include "server/completion_job.h"
#include "server/tokenize_routes.h"
#include "server/web_page.h"

namespace ixc {
namespace {

struct Route {
  std::string_view path;
  std::string_view method;
  bool open = false;  // needs no key
};

constexpr Route kRoutes[] = {
    {"/", "GET"},          {"/health", "GET", true},         {"/metrics", "GET"},
    {"/v1/models", "GET"}, {"/v1/chat/completions", "POST"}, {"/v1/completions", "POST"},
    {"/tokenize", "POST"}, {"/detokenize", "POST"},
};

constexpr std::string_view kModelPrefix = "/v1/models/";

const Route* FindRoute(std::string_view path) {
  if (path.starts_with(kModelPrefix)) path = kModelPrefix.substr(0, kModelPrefix.size() - 1);
  const auto found = std::ranges::find(kRoutes, path, &Route::path);
  return found == std::end(kRoutes) ? nullptr : found;
}

bool IsCompletion(std::string_view path) {
  return path == "/v1/chat/completions" || path == "/v1/completions";
}

// The name of a Host header, without the port.
std::string_view HostName(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']') + 1, host.size()));
  return host.substr(0, std::min(host.find(':'), host.size()));
}

// The project's own part of /v1/models; the web page reads it.
Json ToJson(const PictureRule& rule, int max_hd_num) {
  Json json;
  json["kind"] = rule.is_cut ? "4khd" : "vl";
  json["view_size"] = rule.view_size;
  json["view_cells"] = rule.cells_per_side;
  if (rule.is_cut) {
    json["default_hd_num"] = kDefaultHdNum;
    json["max_hd_num"] = max_hd_num;
  } else {
    json["image_tokens"] = rule.image_tokens;
  }
  return json;
}

bool IsJson(std::string_view content_type) {
  return content_type == "application/json" || content_type.starts_with("application/json;");
}

}  // namespace

Api::Api(ApiOptions options)
    : context_(std::make_shared<ApiContext>(std::move(options))),
      workers_(context_->options.num_workers, context_->options.max_waiting_for_worker),
      created_(std::time(nullptr)) {}

Api::~Api() { Stop(); }

void Api::SetModel(ServedModel model) {
  context_->SetModel(std::make_shared<const ServedModel>(std::move(model)));
}

void Api::Drain() {
  context_->draining = true;
  if (const auto model = context_->model()) model->service->Drain();
}

bool Api::IsIdle() const { return context_->num_jobs == 0; }

void Api::Stop() {
  workers_.Stop();
  context_->SetModel(nullptr);
}

// --- before the body is read -------------------------------------------------------------------

std::optional<HttpResponse> Api::Check(const HttpHead& head) {
  const Route* route = FindRoute(head.path);
  try {
    CheckHost(head);
    if (route == nullptr || !route->open) CheckKey(head);
    if (route == nullptr) throw ApiError(404, "not_found", "", "there is no such route");
    if (head.method != route->method) {
      throw ApiError(405, "method_not_allowed", "",
                     fmt::format("this route takes {}", route->method));
    }
    // A page of another site may send such a body only after the browser has asked us, and we
    // do not allow it.
    if (route->method == "POST" && !IsJson(head.content_type)) {
      throw ApiError(415, "unsupported_media_type", "",
                     "wanted the header Content-Type: application/json");
    }
    if (IsCompletion(head.path)) {
      if (context_->draining) throw ApiError(503, "draining", "", "the server is about to stop");
      if (context_->model() == nullptr) {
        throw ApiError(503, "loading", "", "the model is being loaded");
      }
    }
  } catch (const ApiError& error) {
    context_->metrics.CountRejected(error.code());
    RequestLog log;
    log.method = head.method;
    log.route = route == nullptr ? "other" : std::string(route->path);
    log.status = error.status();
    log.end = error.code();
    context_->Log(log);
    HttpResponse response = ToResponse(error);
    if (error.status() == 405) response.headers.emplace_back("Allow", std::string(route->method));
    // Browsers ask their user for a key, and send it with what the page asks for, too.
    if (error.status() == 401 && head.path == "/") {
      response.headers = {{"WWW-Authenticate", "Basic realm=\"ixc\", charset=\"UTF-8\""}};
    }
    return response;
  }
  return std::nullopt;
}

// A name that somebody else controls may be made to lead here (DNS rebinding), and a page of that
// name could then read what this server answers.
void Api::CheckHost(const HttpHead& head) const {
  const auto& allowed = context_->options.allowed_hosts;
  if (allowed.empty() || head.host.empty()) return;
  const std::string_view name = HostName(head.host);
  const bool literal = name.starts_with('[') || name.find_first_not_of("0123456789.") == name.npos;
  if (literal || std::ranges::find(allowed, name) != allowed.end()) return;
  throw ApiError(403, "host_not_allowed", "",
                 "this server does not answer to that host name; see --allow-host");
}

void Api::CheckKey(const HttpHead& head) const {
  const ApiKeys& keys = context_->options.keys;
  if (keys.empty() || keys.Find(head.authorization)) return;
  throw ApiError(401, "invalid_api_key", "",
                 "wanted a valid API key in the header Authorization: Bearer KEY");
}

// --- answers -----------------------------------------------------------------------------------

void Api::Handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
  RequestLog log;
  log.method = request.head.method;
  log.route = FindRoute(request.head.path)->path;
  if (!context_->options.keys.empty())
    log.key = context_->options.keys.Find(request.head.authorization);
  if (IsCompletion(request.head.path)) {
    return Complete(std::move(request), std::move(exchange), std::move(log));
  }
  const auto answer = [this, exchange, known = log](const HttpRequest& asked) {
    RequestLog entry = known;
    HttpResponse response;
    try {
      response = Answer(asked);
      entry.end = "done";
    } catch (const ApiError& error) {
      context_->metrics.CountRejected(error.code());
      response = ToResponse(error);
      entry.end = error.code();
    }
    entry.status = response.status;
    context_->Log(entry);
    exchange->Send(std::move(response));
  };
  if (request.head.method == "GET") return answer(request);
  const bool taken = workers_.Run([answer, asked = std::move(request)] { answer(asked); });
  if (!taken) exchange->Send(Refusal(429));
}

void Api::Complete(HttpRequest request, std::shared_ptr<HttpExchange> exchange, RequestLog log) {
  const auto model = context_->model();
  if (model == nullptr) return exchange->Send(Refusal(503));
  std::string cache_space = log.key ? fmt::format("key {}", *log.key) : "";
  auto job = std::make_shared<CompletionJob>(
      context_, model, exchange, request.head.path == "/v1/chat/completions", std::move(log));
  job->WatchClient();
  const bool taken = workers_.Run([job, body = std::move(request.body),
                                   space = std::move(cache_space)] { job->Run(body, space); });
  if (!taken) exchange->Send(Refusal(429));
}

HttpResponse Api::Answer(const HttpRequest& request) const {
  const std::string& path = request.head.path;
  if (path == "/") return WebPage();
  if (path == "/health") return Health();
  if (path == "/metrics") return Prometheus();
  if (path.starts_with("/v1/models")) {
    if (path.starts_with(kModelPrefix) &&
        path.substr(kModelPrefix.size()) != context_->options.model_name) {
      throw ApiError(404, "model_not_found", "model", "that model does not exist here");
    }
    return Models(/*one=*/path.starts_with(kModelPrefix));
  }
  const auto model = context_->model();
  if (model == nullptr) throw ApiError(503, "loading", "", "the model is being loaded");
  HttpResponse response;
  response.body = path == "/tokenize" ? AnswerTokenize(request.body, *model, context_->options)
                                      : AnswerDetokenize(request.body, *model, context_->options);
  return response;
}

HttpResponse Api::Health() const {
  const char* status = context_->draining             ? "draining"
                       : context_->model() == nullptr ? "loading"
                                                      : "ok";
  HttpResponse response;
  response.status = status == std::string_view("ok") ? 200 : 503;
  response.body = fmt::format("{{\"status\":\"{}\"}}", status);
  return response;
}

HttpResponse Api::Models(bool one) const {
  const auto model = context_->model();
  Json entry;
  entry["id"] = context_->options.model_name;
  entry["object"] = "model";
  entry["created"] = created_;
  entry["owned_by"] = "ixc";
  if (model != nullptr) {
    entry["max_model_len"] = model->max_context;
    entry["ixc"] = ToJson(model->pictures, context_->options.limits.max_hd_num);
  }
  Json list;
  list["object"] = "list";
  list["data"] = Json::array({entry});
  HttpResponse response;
  response.body = ToText(one ? entry : list);
  return response;
}

HttpResponse Api::Prometheus() const {
  const auto model = context_->model();
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = context_->metrics.Print(
      model != nullptr, model != nullptr ? model->service->Stats() : ServiceStats{},
      num_connections_ ? num_connections_() : 0);
  return response;
}

HttpResponse Api::Refusal(int status) {
  const auto error = [status]() -> ApiError {
    switch (status) {
      case 408:
        return {408, "timeout", "", "the request came too slowly"};
      case 413:
        return {413, "body_too_large", "", "the body is too large"};
      case 429:
        return {429, "queue_full", "", "too many requests wait; try again later"};
      case 431:
        return {431, "header_too_large", "", "the header is too large"};
      case 503:
        return {503, "busy", "", "too many connections or too much to read; try again later"};
      default:
        return {400, "invalid_http", "", "not a valid HTTP request"};
    }
  }();
  context_->metrics.CountRejected(error.code());
  return ToResponse(error);
}

}  // namespace ixc
