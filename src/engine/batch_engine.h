// The Service on one model: continuous batching.
//
// One thread runs steps. A step takes one row of every request that decodes and one chunk of one
// prompt through the decoder together, so that the weights are read once for all of them, or works
// on a piece of one picture beside the decoding rows (scheduler.h). Requests join and leave between
// steps. The answer to a request is the one that Engine::Generate() gives, to the bit of every
// logit, whoever shares its steps.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/pipeline.h"
#include "engine/scheduler.h"
#include "engine/service.h"

namespace ixc {

struct BatchOptions {
  SchedulerLimits limits;
  static constexpr int64_t kNoLimit = int64_t{1} << 50;

  // Of keys and values, in use and kept for later prompts; 0: 2 GiB, at least the longest context
  // and at most what max_running of them take twice over. Memory is taken when it is first needed.
  // With EngineOptions::max_memory, at most half of what weights leave, and an eighth for pictures.
  int64_t kv_bytes = 0;
  int64_t picture_cache_bytes = int64_t{512} << 20;  // of embeddings that are kept
  // Longest prompt and answer together; 0: what the model was made for.
  int64_t max_context = 0;
  // Whether keys and values stay for later prompts that begin alike.
  bool keep_prefixes = true;
};

class BatchEngine : public Service {
 public:
  BatchEngine(std::unique_ptr<Pipeline> pipeline, const BatchOptions& options);
  // Ends what still waits or runs with FinishReason::kCancelled.
  ~BatchEngine() override;

  const Pipeline& pipeline() const;
  // Longest prompt and answer together, in tokens.
  int64_t max_context() const;

  uint64_t Submit(ServiceRequest request, ServiceSink sink) override;
  void Cancel(uint64_t number) override;
  void Drain() override;
  bool IsIdle() const override;
  ServiceStats Stats() const override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ixc
