// What the routes share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "engine/json_constraint.h"
#include "engine/service.h"
#include "server/api_keys.h"
#include "server/byte_budget.h"
#include "server/metrics.h"
#include "server/openai_request.h"
#include "server/picture_source.h"
#include "text/tokenizer.h"

namespace ixc {

// What is written down of a request: nothing of its contents.
struct RequestLog {
  std::string method;
  std::string route;
  int status = 0;
  std::optional<size_t> key;  // its number in the file of keys
  double seconds = 0;
  int64_t pictures = 0;
  // Of an answer of the model:
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  double first_token_seconds = 0;
  std::string end;  // stop, length, cancelled, or the code of an error
};

struct ApiOptions {
  std::string model_name;
  RequestLimits limits;
  PictureOptions pictures;
  ApiKeys keys;
  // Without keys: names that a request may give as its host. Empty: any.
  std::vector<std::string> allowed_hosts;
  size_t max_pictures_bytes = size_t{2} << 30;  // decoded, of all requests that are not finished
  int num_workers = 2;
  size_t max_waiting_for_worker = 1024;
  std::function<void(const RequestLog&)> on_log;  // called from any thread; may be empty
};

// How the model looks at pictures: what a client needs to know to show it.
struct PictureRule {
  bool is_cut = false;       // 4KHD: into at most hd_num views, and a view of the whole
  int view_size = 0;         // side of a view in pixels
  int cells_per_side = 0;    // of a view; a cell is a token
  int64_t image_tokens = 0;  // of every picture, where they are not cut
};

// The loaded model. Service and tokenizer must outlive the API's use of them (Api::Stop()).
struct ServedModel {
  Service* service = nullptr;
  const Tokenizer* tokenizer = nullptr;
  int64_t max_context = 0;  // prompt and answer together
  PictureRule pictures;
  std::shared_ptr<const PieceTrie> pieces;
  std::vector<int32_t> stop_ids;
};

struct ApiContext {
  explicit ApiContext(ApiOptions given)
      : options(std::move(given)), picture_memory(options.max_pictures_bytes) {}

  const ApiOptions options;
  Metrics metrics;
  ByteBudget picture_memory;
  std::atomic<int> num_jobs{0};
  std::atomic<bool> draining{false};

  void Log(const RequestLog& entry) {
    metrics.CountResponse(entry.route, entry.status);
    if (options.on_log) options.on_log(entry);
  }

  // None while it is loaded.
  std::shared_ptr<const ServedModel> model() const {
    const std::lock_guard lock(mutex_);
    return model_;
  }
  void SetModel(std::shared_ptr<const ServedModel> model) {
    const std::lock_guard lock(mutex_);
    model_ = std::move(model);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const ServedModel> model_;
};

}  // namespace ixc
