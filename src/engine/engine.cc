#include "ixc/engine.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/generate.h"
#include "engine/pipeline.h"
#include "text/stream_decoder.h"

namespace ixc {

namespace {

class Stopwatch {
 public:
  // Seconds since the last call or the start.
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    begin_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

const char* Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

// A sequence and what stands at its positions. `keys` may be longer than the sequence, after a turn
// that was cancelled while it was read.
class Conversation::State {
 public:
  // Keeps what `wanted` has in common with the sequence, but for the last position, whose output is
  // needed. Returns how many positions that are.
  int64_t Rewind(const Pipeline& pipeline, std::vector<PositionKey> wanted) {
    const int64_t total = static_cast<int64_t>(wanted.size());
    int64_t common = 0;
    if (sequence_ && sequence_->CanBecome(total)) {
      common = std::min({CommonPrefix(keys_, wanted), sequence_->length(), total - 1});
      sequence_->Truncate(common);
    } else {
      sequence_.emplace(pipeline.NewSequence());
    }
    keys_ = std::move(wanted);
    return common;
  }

  // Keys of generated ids, appended to the sequence after the last prompt.
  void Append(std::span<const int32_t> ids) {
    for (int32_t id : ids) keys_.push_back({{}, id});
  }

  Sequence& sequence() { return *sequence_; }

 private:
  std::optional<Sequence> sequence_;
  std::vector<PositionKey> keys_;
};

Conversation::Conversation() : state_(std::make_unique<State>()) {}
Conversation::~Conversation() = default;
Conversation::Conversation(Conversation&&) noexcept = default;
Conversation& Conversation::operator=(Conversation&&) noexcept = default;

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options) : pipeline_(Pipeline::Load(options)) {}

  Result Generate(const Request& request, Conversation::State& past,
                  const GenerationEvents& events) const {
    CheckGeneration(request.generation);
    Result result;
    result.finish_reason = FinishReason::kCancelled;
    const auto is_cancelled = [&] { return events.is_cancelled && events.is_cancelled(); };
    Stopwatch watch;
    const PromptSequence prompt = pipeline_->BuildPrompt(request);
    AssembledPrompt assembled = pipeline_->LayOut(prompt, pipeline_->CountImageTokens(request));
    result.prompt_tokens = assembled.num_tokens();
    result.image_tokens = assembled.image_tokens;
    pipeline_->CheckMemory(request, assembled);
    result.cached_tokens = past.Rewind(*pipeline_, pipeline_->KeysOf(request, assembled));

    const auto pictures = EncodePictures(request, assembled, result.cached_tokens, events);
    if (!pictures) return result;
    pipeline_->Embed(prompt, *pictures, result.cached_tokens, assembled);
    result.timing.image_seconds = watch.Lap();

    Pipeline::PrefillOptions prefill;
    prefill.is_cancelled = is_cancelled;
    if (events.on_progress) {
      prefill.on_progress = [&](double share) { events.on_progress("reading the prompt", share); };
    }
    const Matrix last = pipeline_->Prefill(assembled, past.sequence(), prefill);
    if (last.rows() == 0) return result;
    Matrix logits = pipeline_->Logits(last);
    result.timing.prefill_seconds = watch.Lap();

    Decode(request.generation, assembled, std::move(logits), past.sequence(), events, result);
    past.Append(result.token_ids);
    result.timing.decode_seconds = watch.Lap();
    return result;
  }

 private:
  // Only the pictures that have rows from first_row on; the others stay empty. Nothing when
  // cancelled.
  std::optional<std::vector<EncodedPicture>> EncodePictures(const Request& request,
                                                            const AssembledPrompt& prompt,
                                                            int64_t first_row,
                                                            const GenerationEvents& events) const {
    std::vector<EncodedPicture> pictures(request.images.size());
    for (size_t range = 0; range < prompt.image_rows.size(); ++range) {
      if (prompt.image_rows[range].end <= first_row) continue;
      if (events.is_cancelled && events.is_cancelled()) return std::nullopt;
      const size_t image = static_cast<size_t>(prompt.image_of_rows[range]);
      pictures[image].embeds = EncodePicture(request, image, events).embeds;
    }
    return pictures;
  }

  EncodedPicture EncodePicture(const Request& request, size_t index,
                               const GenerationEvents& events) const {
    const auto progress = [&](double share) {
      const double done =
          (static_cast<double>(index) + share) / static_cast<double>(request.images.size());
      if (events.on_progress) events.on_progress("looking at the picture", done);
    };
    return pipeline_->EncodePicture(request.images[index], HdNumOf(request, index), progress);
  }

  void Decode(const GenerationOptions& options, const AssembledPrompt& prompt, Matrix logits,
              Sequence& sequence, const GenerationEvents& events, Result& result) const {
    StreamDecoder decoder(pipeline_->tokenizer());
    const auto emit = [&](const std::string& text) {
      result.text += text;
      if (events.on_text && !text.empty()) events.on_text(text);
    };
    DecodeHooks hooks;
    hooks.is_cancelled = events.is_cancelled;
    hooks.on_token = [&](int32_t id, std::span<const float>) { emit(decoder.Push(id)); };
    GeneratedTokens generated =
        GenerateTokens(*pipeline_, prompt, std::move(logits), sequence, options, hooks);
    if (options.num_beams > 1) {
      for (int32_t id : generated.ids) emit(decoder.Push(id));
    }
    emit(decoder.Finish());
    result.token_ids = std::move(generated.ids);
    result.finish_reason = generated.finish_reason;
    result.guessed_tokens = generated.guessed;
    result.accepted_tokens = generated.accepted;
  }

  std::unique_ptr<Pipeline> pipeline_;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Engine Engine::Load(const EngineOptions& options) {
  return Engine(std::make_unique<Impl>(options));
}

Result Engine::Generate(const Request& request, const GenerationEvents& events) {
  Conversation::State nothing;
  return impl_->Generate(request, nothing, events);
}

Result Engine::Generate(const Request& request, Conversation& conversation,
                        const GenerationEvents& events) {
  return impl_->Generate(request, *conversation.state_, events);
}

}  // namespace ixc
