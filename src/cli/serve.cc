// ixc serve: the model behind an HTTP API.
#include <fmt/format.h>
#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "engine/batch_engine.h"
#include "model/picture_plan.h"
#include "server/api.h"
#include "server/http_server.h"

namespace ixc {

namespace {

// SIGINT and SIGTERM are taken by whoever asks for them here, and end nothing by themselves. Made
// before any thread is, because threads inherit it.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  // Whether one comes within that time.
  bool Wait(std::chrono::milliseconds time) const {
    timespec wait = {};
    wait.tv_sec = time.count() / 1000;
    wait.tv_nsec = time.count() % 1000 * 1'000'000;
    for (;;) {
      const int got = sigtimedwait(&signals_, nullptr, &wait);
      if (got > 0) return true;
      if (errno != EINTR) return false;
    }
  }

 private:
  sigset_t signals_;
};

std::string ToLine(const RequestLog& log) {
  std::string line =
      fmt::format("{} {} {} {:.3f}s {}", log.method, log.route, log.status, log.seconds, log.end);
  if (log.key) line += fmt::format(" key={}", *log.key);
  if (log.pictures > 0) line += fmt::format(" pictures={}", log.pictures);
  if (log.prompt_tokens > 0) {
    line += fmt::format(" prompt={} cached={} new={} first={:.3f}s", log.prompt_tokens,
                        log.cached_tokens, log.generated_tokens, log.first_token_seconds);
  }
  return line;
}

std::string ToJsonLine(const RequestLog& log) {
  Json json;
  json["method"] = log.method;
  json["route"] = log.route;
  json["status"] = log.status;
  json["end"] = log.end;
  json["seconds"] = log.seconds;
  if (log.key) json["key"] = *log.key;
  json["pictures"] = log.pictures;
  json["prompt_tokens"] = log.prompt_tokens;
  json["cached_tokens"] = log.cached_tokens;
  json["new_tokens"] = log.generated_tokens;
  json["first_token_seconds"] = log.first_token_seconds;
  return ToText(json);
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

ApiOptions ToApiOptions(const ServeOptions& options, const EngineOptions& engine) {
  ApiOptions api;
  api.model_name = options.served_name;
  if (api.model_name.empty()) {
    std::filesystem::path dir = std::filesystem::absolute(engine.model_dir).lexically_normal();
    if (!dir.has_filename()) dir = dir.parent_path();
    api.model_name = dir.filename().string();
  }
  api.limits.max_choices = options.max_choices;
  api.limits.max_pictures = options.max_pictures;
  api.limits.max_new_tokens = options.max_new_tokens;
  api.limits.max_hd_num = options.max_hd_num;
  api.limits.max_body_bytes = options.max_body;
  api.pictures.limits.max_pixels = options.max_megapixels * 1'000'000;
  api.pictures.limits.max_side = options.max_side;
  api.pictures.media_root = options.media_root;
  api.pictures.allowed_hosts = options.allowed_url_hosts;
  if (!options.api_keys_file.empty()) {
    const MappedFile file(options.api_keys_file);
    api.keys = ApiKeys::FromText(file.text(), options.api_keys_file);
  } else if (IsLoopback(options.host)) {
    api.allowed_hosts = options.allowed_hosts;
    api.allowed_hosts.push_back("localhost");
  }
  api.on_log = [json = options.json](const RequestLog& log) {
    if (json) {
      fmt::print("{}\n", ToJsonLine(log));
      std::fflush(stdout);
    } else {
      LogNotice(ToLine(log));
    }
  };
  return api;
}

HttpLimits ToHttpLimits(const ServeOptions& options) {
  HttpLimits limits;
  limits.max_body_bytes = options.max_body;
  limits.max_connections = options.max_connections;
  limits.head = std::chrono::seconds(options.head_seconds);
  limits.body = std::chrono::seconds(options.body_seconds);
  limits.idle = std::chrono::seconds(options.idle_seconds);
  return limits;
}

PictureRule PictureRuleOf(const XComposer2& model) {
  // The smallest cut: what is asked for here does not depend on picture and number.
  const PicturePlan plan = PlanPicture(model.kind(), model.config(), 64, 64, 1);
  PictureRule rule;
  rule.is_cut = plan.is_cut();
  rule.view_size = plan.transform.view_size;
  rule.cells_per_side = plan.cells_per_side;
  if (!rule.is_cut) rule.image_tokens = plan.image_tokens;
  return rule;
}

ServedModel ToServedModel(BatchEngine& engine) {
  const Pipeline& pipeline = engine.pipeline();
  ServedModel model;
  model.service = &engine;
  model.tokenizer = &pipeline.tokenizer();
  model.max_context = engine.max_context();
  model.pictures = PictureRuleOf(pipeline.model());
  model.stop_ids.assign(pipeline.stop_ids().begin(), pipeline.stop_ids().end());
  model.pieces = std::make_shared<const PieceTrie>(pipeline.tokenizer(), kTurnEnd);
  return model;
}

// Until all answers are sent, or a second signal asks for an end at once.
void WaitUntilIdle(const StopSignals& signals, const Api& api) {
  while (!api.IsIdle()) {
    if (signals.Wait(std::chrono::milliseconds(20))) {
      LogNotice("stopped before all answers were complete");
      return;
    }
  }
}

}  // namespace

int Run(const ServeOptions& options) {
  const StopSignals signals;
  EngineOptions engine_options = ToEngineOptions(options.model);
  engine_options.on_load_progress = [&signals](double) {
    if (signals.Wait(std::chrono::milliseconds(0))) throw Interrupted();
  };
  Api api(ToApiOptions(options, engine_options));
  HttpServer server(options.host, options.port, ToHttpLimits(options), api);
  api.SetConnectionCount([&server] { return server.num_connections(); });
  const bool v6 = options.host.find(':') != std::string::npos;
  LogNotice(fmt::format("listening on http://{}{}{}:{}", v6 ? "[" : "", options.host, v6 ? "]" : "",
                        server.port()));
  if (options.api_keys_file.empty() && !IsLoopback(options.host)) {
    LogWarning("everybody who reaches this address can use the model; --api-keys FILE guards it");
  }

  BatchOptions batch;
  batch.limits.max_running = options.max_running;
  batch.limits.max_waiting = options.max_waiting;
  batch.max_context = options.max_context;
  batch.kv_bytes = options.kv_bytes;
  batch.picture_cache_bytes = options.picture_cache_bytes;
  BatchEngine engine(Pipeline::Load(engine_options), batch);
  api.SetModel(ToServedModel(engine));
  LogNotice("ready");

  while (!signals.Wait(std::chrono::hours(1))) {
  }
  LogNotice("stopping: answers that have begun are completed, new requests are refused");
  api.Drain();
  WaitUntilIdle(signals, api);
  server.Stop();
  api.Stop();
  return 0;
}

}  // namespace ixc
