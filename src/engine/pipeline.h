// The steps from a request to logits, each on its own: what the engine runs one after the other and
// what `ixc trace` looks at in between.
//
//   request -> prompt (text ids and picture places) -> pictures through transform, tower, projector
//           -> embeddings of the whole prompt -> prefill -> decode steps
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "cache/prefix_key.h"
#include "engine/memory_guard.h"
#include "image/transform.h"
#include "ixc/engine.h"
#include "model/xcomposer2.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ixc {

using ProgressCallback = std::function<void(const char* stage, double share)>;

// How keys and values are kept, from EngineOptions::kv and compute and the type of the weights.
DType ChooseKvDtype(const EngineOptions& options, DType weight_dtype);

// A picture at each stage of its way.
struct EncodedPicture {
  PreparedImage prepared;
  Matrix features;  // tower, [views * patches, width]
  Matrix embeds;    // projector, [image tokens, hidden]
};

// The prompt as the decoder takes it.
struct AssembledPrompt {
  std::string text;
  std::vector<int64_t> input_ids;  // -1 at image positions
  std::vector<RowRange> image_rows;
  std::vector<int> image_of_rows;      // the picture of each range of image_rows
  int64_t first_row = 0;               // rows before it have no embedding: their keys are known
  Matrix embeds;                       // [tokens - first_row, hidden]
  std::vector<int32_t> penalised_ids;  // what the repetition penalty sees of the prompt
  int64_t image_tokens = 0;

  int64_t num_tokens() const { return static_cast<int64_t>(input_ids.size()); }
};

// Rows of pictures among the prompt's rows [first, first + count), counted from `first`.
std::vector<RowRange> ImageRowsOf(const AssembledPrompt& prompt, int64_t first, int64_t count);

// The hd number that a request gives its picture number `picture`: one for all, one each, or the
// reference's default of 25.
int HdNumOf(const Request& request, size_t picture);

// The scheme that a user names ("": none) for weights that are quantized while they are loaded.
std::optional<LoadScheme> ParseLoadScheme(const std::string& name, int group);

// One answer in the making: its past and its rotation state.
class Sequence {
 public:
  // `pool` as KvCache() takes it.
  Sequence(const XComposer2& model, DType kv_dtype, std::shared_ptr<BlockPool> pool);

  // A second sequence with the same past.
  Sequence Fork() const { return *this; }
  Sequence(Sequence&&) = default;
  Sequence& operator=(Sequence&&) = default;

  int64_t length() const { return cache_.length(); }

  // Whether a sequence of total_length that begins as this one may go on from it: false when
  // dynamic rotation would have turned its keys otherwise.
  bool CanBecome(int64_t total_length) const { return rope_.KeepsAngles(total_length); }
  // Forgets the positions from `length` on. Call only if CanBecome(length).
  void Truncate(int64_t length) { cache_.Truncate(length); }

  // Keys and values in blocks, to be shared between sequences that CanBecome() each other: see
  // KvCache.
  KvCache& cache() { return cache_; }
  const KvCache& cache() const { return cache_; }

 private:
  friend class Pipeline;
  Sequence(const Sequence& other) : cache_(other.cache_.Fork()), rope_(other.rope_) {}

  KvCache cache_;
  RopeTable rope_;
};

class Pipeline {
 public:
  static std::unique_ptr<Pipeline> Load(const EngineOptions& options);
  // Without a tokenizer, so without prompts: for measurements.
  Pipeline(XComposer2 model, std::unique_ptr<ThreadPool> pool, Isa isa, DType kv_dtype);

  const XComposer2& model() const { return model_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Compute& compute() const { return compute_; }
  DType kv_dtype() const { return kv_dtype_; }
  std::span<const int32_t> stop_ids() const { return stop_ids_; }

  PromptSequence BuildPrompt(const Request& request) const;
  const ImageTransform& image_transform() const { return transform_; }
  // hd_num is ignored by models that have none.
  EncodedPicture EncodePicture(const Image& image, int hd_num,
                               const std::function<void(double share)>& progress) const;
  AssembledPrompt Assemble(const PromptSequence& prompt,
                           std::span<const EncodedPicture> pictures) const;

  // Assemble() in two steps, for prompts whose first rows need no embedding. The first one knows
  // only how many tokens each picture has and checks the length.
  int64_t CountImageTokens(const Image& image, int hd_num) const;
  std::vector<int64_t> CountImageTokens(const Request& request) const;  // of each picture
  AssembledPrompt LayOut(const PromptSequence& prompt, std::span<const int64_t> image_tokens) const;
  // What stands at each position of the laid out prompt.
  std::vector<PositionKey> KeysOf(const Request& request, const AssembledPrompt& prompt) const;
  // Embeddings of the rows [first, first + out.rows) of a laid out prompt; pictures (the
  // projector's output) that have no rows there may be null.
  void EmbedRows(const PromptSequence& prompt, const AssembledPrompt& assembled,
                 std::span<const Matrix* const> pictures, int64_t first, MatrixView out) const;
  // All rows from first_row on. Pictures that end before it may be empty.
  void Embed(const PromptSequence& prompt, std::span<const EncodedPicture> pictures,
             int64_t first_row, AssembledPrompt& assembled) const;

  // Throws when answering would take more memory than EngineOptions::max_memory. `assembled` comes
  // from LayOut(); call before pictures are encoded.
  void CheckMemory(const Request& request, const AssembledPrompt& assembled) const;
  const MemoryGuard& memory() const { return memory_; }

  Sequence NewSequence(std::shared_ptr<BlockPool> pool = nullptr) const;
  // Of one block of NewSequence()'s pool.
  size_t BlockBytes() const;

  struct PrefillOptions {
    bool all_rows = false;  // return the last layer's output for every position, not the last only
    // Output of a layer for rows first_row …, chunk by chunk.
    std::function<void(int layer, int64_t first_row, ConstMatrixView hidden)> observe;
    std::function<void(double share)> on_progress;
    std::function<bool()> is_cancelled;
  };
  // Runs the prompt from assembled.first_row, which is the sequence's length; returns the output of
  // the last layer, [1 or tokens - first_row, hidden]. Empty when cancelled.
  Matrix Prefill(const AssembledPrompt& prompt, Sequence& sequence,
                 const PrefillOptions& options) const;
  // Logits [rows, vocabulary] from outputs of the last layer.
  Matrix Logits(ConstMatrixView hidden) const;
  // Feeds generated ids and returns the logits behind each, [ids, vocabulary]. Bits are those of
  // one id at a time as long as the sequence keeps its rotation (Sequence::CanBecome).
  Matrix Step(std::span<const int32_t> ids, Sequence& sequence) const;

  // The next rows of one sequence in a pass of several.
  struct BatchRows {
    Sequence* sequence = nullptr;
    int64_t count = 0;
    int64_t total_length = 0;  // in the end: of the prompt while it is read, else with these rows
  };
  // Takes the rows of all sequences through the decoder together: hidden is [rows, hidden size],
  // embeddings on entry, output of the last layer on return; image_rows are ranges of its rows.
  void Forward(MatrixView hidden, std::span<const BatchRows> batch,
               std::span<const RowRange> image_rows,
               const std::function<void(int layer, ConstMatrixView hidden)>& observe = {}) const;

 private:
  std::unique_ptr<ThreadPool> pool_;
  Compute compute_;
  XComposer2 model_;
  ImageTransform transform_;
  DType kv_dtype_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<int32_t> stop_ids_;
  MemoryGuard memory_;
};

}  // namespace ixc
