// Ordinary LoRA adapters, as PEFT saves them: adapter_config.json and adapter_model.safetensors (or
// .bin) with tensors base_model.model.P.lora_A.weight [r, inputs] and P.lora_B.weight [outputs, r],
// P = model.layers.N.attention.wqkv and so on. On every row, text or picture,
//
//   y += s (x A^T) B^T,   s = alpha / r, or alpha / sqrt(r) with rslora
//
// Names and fields: PEFT's save_pretrained (github.com/huggingface/peft).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/model_config.h"

namespace ixc {

struct LoraPair {
  TensorView a;  // [r, inputs]
  TensorView b;  // [outputs, r]
  double scale = 1.0;
};

class LoraAdapter {
 public:
  // Whether a directory holds an adapter rather than a model.
  static bool IsAdapterDirectory(const std::filesystem::path& directory);

  // Errors: no such files, a kind of adapter that is not plain LoRA (DoRA, trained biases, whole
  // modules), a tensor that belongs to none of the decoder's linears, a matrix without its partner,
  // shapes that do not fit the model.
  static LoraAdapter Open(const std::filesystem::path& directory, const ModelConfig& config);

  // nullptr when the adapter does not touch this linear ("model.layers.0.attention.wqkv").
  const LoraPair* Find(std::string_view linear) const;
  size_t size() const { return pairs_.size(); }
  // Partial LoRA tensors in the same file, if any: see WithoutPeftPrefix() for their names.
  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  Checkpoint checkpoint_;
  std::map<std::string, LoraPair, std::less<>> pairs_;
};

// "base_model.model.X" -> "X"
std::string_view WithoutPeftPrefix(std::string_view name);

}  // namespace ixc
