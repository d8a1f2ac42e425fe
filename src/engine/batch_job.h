// A request of the service while it waits and runs.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "cache/picture_cache.h"
#include "cache/prefix_tree.h"
#include "engine/answer.h"
#include "engine/picture_encoding.h"
#include "engine/pipeline.h"
#include "engine/service.h"

namespace ixc {

struct BatchJob {
  uint64_t number = 0;
  ServiceRequest request;
  ServiceSink sink;
  PromptSequence prompt;
  AssembledPrompt assembled;      // laid out; its rows are embedded chunk by chunk
  std::vector<PositionKey> keys;  // of all positions, generated ones included
  std::optional<Answer> answer;
  // Where the counts stand; the rest is filled in at the end.
  ServiceResult result;
  Clock::time_point submitted;

  // Once it runs; filled in by BatchMemory.
  std::optional<Sequence> sequence;
  std::vector<std::shared_ptr<PictureEncoding>> pictures;  // null where no row needs one
  std::vector<PictureKey> picture_keys;
  int64_t num_shared = 0;                   // blocks of the sequence that are in the prefix tree
  PrefixTree::Node* last_shared = nullptr;  // the last of them, or the tree's root

  // The first picture that is not there yet; null: all are.
  PictureEncoding* OpenPicture() const;
  // Embeddings of all pictures, for Pipeline::EmbedRows().
  std::vector<const Matrix*> PictureEmbeds() const;
};

// Fills in prompt, assembled, keys and answer from the request; returns why it cannot be answered,
// if so. Runs on the submitting thread.
std::optional<ServiceError> PrepareJob(const Pipeline& pipeline, int64_t max_context,
                                       BatchJob& job);

}  // namespace ixc
