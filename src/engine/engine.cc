#include "ixc/engine.h"

#include <chrono>

#include "base/error.h"
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

void CheckOptions(const GenerationOptions& options) {
  if (options.max_new_tokens < 1)
    Fail("max_new_tokens is {}, wanted 1 or more", options.max_new_tokens);
  if (!(options.repetition_penalty > 0)) Fail("repetition_penalty wants a number above 0");
  if (options.sample && !(options.temperature > 0)) Fail("temperature wants a number above 0");
  if (options.sample && !(options.top_p > 0 && options.top_p <= 1)) Fail("top_p wants 0 < p <= 1");
  if (options.num_beams < 1) Fail("num_beams is {}, wanted 1 or more", options.num_beams);
  if (options.sample && options.num_beams > 1) Fail("beam search and sampling exclude each other");
}

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

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options) : pipeline_(Pipeline::Load(options)) {}

  Result Generate(const Request& request, const GenerationEvents& events) const {
    CheckOptions(request.generation);
    Result result;
    result.finish_reason = FinishReason::kCancelled;
    const auto is_cancelled = [&] { return events.is_cancelled && events.is_cancelled(); };
    Stopwatch watch;
    const PromptSequence prompt = pipeline_->BuildPrompt(request);
    std::vector<EncodedPicture> pictures;
    for (size_t i = 0; i < request.images.size(); ++i) {
      if (is_cancelled()) return result;
      pictures.push_back(EncodePicture(request, i, events));
    }
    const AssembledPrompt assembled = pipeline_->Assemble(prompt, pictures);
    pictures.clear();
    result.prompt_tokens = assembled.num_tokens();
    result.image_tokens = assembled.image_tokens;
    result.timing.image_seconds = watch.Lap();

    Pipeline::PrefillOptions prefill;
    prefill.is_cancelled = is_cancelled;
    if (events.on_progress) {
      prefill.on_progress = [&](double share) { events.on_progress("reading the prompt", share); };
    }
    Sequence sequence = pipeline_->NewSequence();
    const Matrix last = pipeline_->Prefill(assembled, sequence, prefill);
    if (last.rows() == 0) return result;
    Matrix logits = pipeline_->Logits(last);
    result.timing.prefill_seconds = watch.Lap();

    Decode(request.generation, assembled, std::move(logits), std::move(sequence), events, result);
    result.timing.decode_seconds = watch.Lap();
    return result;
  }

 private:
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
              Sequence sequence, const GenerationEvents& events, Result& result) const {
    StreamDecoder decoder(pipeline_->tokenizer());
    const auto emit = [&](const std::string& text) {
      result.text += text;
      if (events.on_text && !text.empty()) events.on_text(text);
    };
    DecodeHooks hooks;
    hooks.is_cancelled = events.is_cancelled;
    hooks.on_token = [&](int32_t id, std::span<const float>) { emit(decoder.Push(id)); };
    GeneratedTokens generated =
        GenerateTokens(*pipeline_, prompt, std::move(logits), std::move(sequence), options, hooks);
    if (options.num_beams > 1) {
      for (int32_t id : generated.ids) emit(decoder.Push(id));
    }
    emit(decoder.Finish());
    result.token_ids = std::move(generated.ids);
    result.finish_reason = generated.finish_reason;
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
  return impl_->Generate(request, events);
}

}  // namespace ixc
