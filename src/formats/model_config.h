// The JSON files of a model directory as plain structs: config.json, generation_config.json and
// adapter_config.json. Every number is checked before it sizes anything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace ixc {

struct RopeScaling {
  enum class Type { kNone, kLinear, kDynamic };
  Type type = Type::kNone;
  double factor = 1.0;
};

// The vision tower. Real directories do not describe it: it is CLIP ViT-L/14-336, the defaults
// here. Small models carry a "vision_config".
struct VisionConfig {
  int64_t hidden_size = 1024;
  int64_t intermediate_size = 4096;
  int64_t num_layers = 24;
  int64_t num_heads = 16;
  int64_t image_size = 336;  // side of the square that the tower was trained on, in pixels
  int64_t patch_size = 14;
  double layer_norm_eps = 1e-5;
};

struct ModelConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t vocab_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;  // hidden_size / num_heads
  double rms_norm_eps = 0;
  double rope_theta = 0;
  RopeScaling rope_scaling;
  int64_t max_position_embeddings = 0;
  std::optional<int64_t> max_length;  // limit of the prompt in tokens, image tokens included
  int64_t bos_token_id = 0;
  int64_t eos_token_id = 0;
  int64_t pad_token_id = 0;
  std::optional<DType> torch_dtype;  // what the file asks for; each tensor has its own dtype
  int64_t img_size = 490;            // side of VL's resized picture; 4KHD does not use it
  VisionConfig vision;
};

struct GenerationConfig {
  std::optional<int64_t> max_length;  // 1600 (VL) or 4480 (4KHD); not a limit of anything here
  std::vector<int64_t> eos_token_ids;
};

// How strongly the partial LoRA of each linear acts.
struct LoraConfig {
  int64_t rank = 8;
  int64_t alpha = 8;
  bool use_rslora = false;
  std::map<std::string, int64_t> rank_pattern;  // keys like "attention.wqkv"
  std::map<std::string, int64_t> alpha_pattern;

  // alpha / rank, or alpha / sqrt(rank) with rslora, for a linear such as "attention.wqkv" or
  // "model.layers.0.attention.wqkv". A pattern's key names the linears whose name it ends, at a
  // dot; the longest goes first.
  double Scale(const std::string& linear) const;
};

// A required field that is missing or out of range, or a model that this engine does not run (tied
// embeddings, biases, another activation), is an error that names the file and the field.
ModelConfig ReadModelConfig(const std::filesystem::path& directory);
// Empty when the directory has no such file.
GenerationConfig ReadGenerationConfig(const std::filesystem::path& directory);
std::optional<LoraConfig> ReadLoraConfig(const std::filesystem::path& directory);
// The directory that lora_adapter.json ({adapter id: directory}) names, relative paths against
// `directory`; empty without the file. More than one adapter is an error.
std::optional<std::filesystem::path> ReadLoraDirectory(const std::filesystem::path& directory);

// The same from texts; `where` names them in errors.
ModelConfig ParseModelConfig(std::string_view text, const std::string& where);
GenerationConfig ParseGenerationConfig(std::string_view text, const std::string& where);
LoraConfig ParseLoraConfig(std::string_view text, const std::string& where);
std::string ParseLoraDirectory(std::string_view text, const std::string& where);

}  // namespace ixc
