// A service for tests of the server: it notes what is submitted, and answers when it is told to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/service.h"

namespace ixc {

class ScriptedService : public Service {
 public:
  // What every request gets at once when it is submitted; without it requests wait for Finish().
  struct Script {
    std::vector<std::string> tokens = {};
    std::optional<ServiceError> error = {};
    bool waits = false;
  };
  explicit ScriptedService(Script script) : script_(std::move(script)) {}

  uint64_t Submit(ServiceRequest request, ServiceSink sink) override {
    uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = ++last_;
      requests_.push_back(std::move(request));
      sinks_[number] = sink;
    }
    changed_.notify_all();
    if (!script_.waits) Answer(number, script_.error);
    return number;
  }

  void Cancel(uint64_t number) override {
    {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(number);
    }
    changed_.notify_all();
  }

  void Drain() override { drained_ = true; }
  bool IsIdle() const override { return true; }
  ServiceStats Stats() const override {
    ServiceStats stats;
    stats.waiting = 3;
    stats.kv_blocks_total = 8;
    stats.kv_blocks_used = 4;
    stats.kv_blocks_cached = 2;
    return stats;
  }

  // Everything that the script has for a request.
  void Answer(uint64_t number, std::optional<ServiceError> error = std::nullopt) {
    ServiceSink sink;
    {
      const std::lock_guard lock(mutex_);
      sink = sinks_.at(number);
    }
    ServiceResult result;
    result.error = std::move(error);
    result.prompt_tokens = 10;
    result.cached_tokens = 4;
    if (!result.error) {
      for (const std::string& text : script_.tokens) {
        TokenEvent event;
        event.id = 100;
        event.text = text;
        event.chosen = TokenProbability{100, text, -0.5f};
        event.best = {TokenProbability{100, text, -0.5f}};
        sink.on_token(event);
        ++result.generated_tokens;
      }
    }
    sink.on_finish(result);
  }

  // Waits until so many requests were submitted, or cancelled.
  void AwaitSubmitted(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }
  void AwaitCancelled(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_.size() >= count; });
  }
  std::vector<ServiceRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  bool drained() const { return drained_; }

 private:
  const Script script_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t last_ = 0;
  std::vector<ServiceRequest> requests_;
  std::map<uint64_t, ServiceSink> sinks_;
  std::vector<uint64_t> cancelled_;
  std::atomic<bool> drained_{false};
};

}  // namespace ixc
