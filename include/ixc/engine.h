// The engine: a model from a Hugging Face directory that answers questions about pictures.
//
//   ixc::Engine engine = ixc::Engine::Load({.model_dir = "internlm-xcomposer2-vl-7b"});
//   ixc::Request request;
//   request.query = "Please describe this image in detail.";
//   request.images.push_back(ixc::LoadImage("photo.jpg"));
//   std::cout << engine.Generate(request).text << '\n';
//
// Every function throws ixc::Error with a one-line message. An engine may be moved; one request
// runs at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ixc/error.h"
#include "ixc/request.h"

namespace ixc {

enum class ComputeMode {
  kNative,   // weights as stored, float32 arithmetic, keys and values in half precision
  kFloat32,  // keys and values in float32 too: the reference's numbers
};

struct EngineOptions {
  std::string model_dir;
  int num_threads = 0;  // 0: one per core
  std::string isa;      // "": the best of this machine; else scalar, avx2, avx512, avx512vnni, amx
  ComputeMode compute = ComputeMode::kNative;
  std::string dtype;  // "": as stored; "f16" or "bf16": cast float32 weights while loading
  // "": weights as stored; "w8a8d" or "w4": the decoder's linears as integers of 8 or 4 bits,
  // rounded while loading; the head gets 8 bits.
  std::string scheme;
  int group = 128;  // w4: weights that share a scale, 32, 64 or 128
  // Keys and values: "": by `compute`; "f32", "f16", or "int8" with a scale for each token and
  // head, which halves their memory and is not exact (docs/numerics.md).
  std::string kv;
  // A directory for packed weights: the first start writes them to a file, later ones map it and
  // are ready at once. "": none. With verify_pack all of it is hashed first.
  std::string pack_cache;
  bool verify_pack = false;
  // What is worth knowing while loading, such as that a pack file was stale. May be empty.
  std::function<void(const std::string& note)> on_note;
  // Bytes that weights, keys and values, pictures and activations may take together; 0: no limit.
  // What would take more is an error before it is allocated. Pages of the weights' files that the
  // system keeps are not counted: it takes them back when it needs them.
  uint64_t max_memory = 0;
  // Called before anything is allocated, with the bytes that the longest prompt would take and a
  // line that names the parts. May be empty.
  std::function<void(uint64_t bytes, const std::string& line)> on_memory_plan;
  // A CLIP ViT-L/14-336 directory, whose vision tower is used when the model's directory has none.
  std::string vit_dir;
  // A PEFT LoRA directory (adapter_config.json, adapter_model.safetensors) on top of the model:
  // applied beside the weights, or merged into them while loading.
  std::string lora_dir;
  bool merge_lora = false;
  // Missing tensors of partial LoRA count as zero instead of being an error.
  bool allow_missing_adapters = false;
  // Called while loading with the share done, 0 … 1. May be empty.
  std::function<void(double share)> on_load_progress;
  // What a user should know and is no error: a line each. May be empty.
  std::function<void(const std::string& line)> on_warning;
};

// Called while an answer is made; every member may be empty.
struct GenerationEvents {
  // New text, always whole UTF-8 characters; the pieces add up to Result::text.
  std::function<void(std::string_view text)> on_text;
  // Before the first token: what is being worked on and the share of it done, 0 … 1.
  std::function<void(const char* stage, double share)> on_progress;
  // Asked before every step; true ends the answer with FinishReason::kCancelled.
  std::function<bool()> is_cancelled;
};

// What has been read for a conversation so far: the keys and values of its last prompt and answer.
// Given to Generate() with every turn, it makes a turn pay only for what is new; the answer stays
// the same to the bit. A request may also differ anywhere from the one before: what is common at
// the beginning is used. Memory grows with the conversation and is freed with the object.
class Conversation {
 public:
  Conversation();
  ~Conversation();
  Conversation(Conversation&&) noexcept;
  Conversation& operator=(Conversation&&) noexcept;

 private:
  friend class Engine;
  class State;
  std::unique_ptr<State> state_;
};

class Engine {
 public:
  static Engine Load(const EngineOptions& options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  Result Generate(const Request& request, const GenerationEvents& events = {});
  // A turn of a conversation; use each Conversation with one engine only.
  Result Generate(const Request& request, Conversation& conversation,
                  const GenerationEvents& events = {});

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ixc
