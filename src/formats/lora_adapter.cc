#include "formats/lora_adapter.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPeftPrefix = "base_model.model.";
constexpr const char* kAdapterFiles[] = {"adapter_model.safetensors", "adapter_model.bin"};

// What PEFT can do beyond plain LoRA and this engine does not.
void RejectOtherAdapters(const fs::path& path) {
  const Json json = ReadJsonFile(path);
  const JsonFields fields(json, path.string());
  if (fields.StringOr("peft_type", "LORA") != "LORA") fields.Reject("peft_type", "'LORA'");
  if (fields.StringOr("bias", "none") != "none") {
    fields.Reject("bias", "'none' (trained biases are not supported; merge the adapter with PEFT)");
  }
  for (const char* key : {"use_dora", "fan_in_fan_out", "lora_bias"}) {
    if (fields.BoolOr(key, false)) {
      fields.Reject(key, "false (not supported; merge the adapter with PEFT)");
    }
  }
}

struct LoraName {
  std::string linear;
  bool is_b = false;
};

// "P.lora_A.weight" and "P.lora_A.default.weight" are the A of linear P.
std::optional<LoraName> ParseLoraName(std::string_view name) {
  name = WithoutPeftPrefix(name);
  const size_t at = name.find(".lora_");
  if (at == name.npos || !name.ends_with(".weight")) return std::nullopt;
  const std::string_view rest = name.substr(at);
  if (rest.starts_with(".lora_A.")) return LoraName{std::string(name.substr(0, at)), false};
  if (rest.starts_with(".lora_B.")) return LoraName{std::string(name.substr(0, at)), true};
  return std::nullopt;
}

struct LinearShape {
  int64_t outputs = 0;
  int64_t inputs = 0;
};

// The decoder linear that "model.layers.N.NAME" is; nothing when there is none.
std::optional<LinearShape> ShapeOf(std::string_view linear, const ModelConfig& config) {
  constexpr std::string_view kLayers = "model.layers.";
  if (!linear.starts_with(kLayers)) return std::nullopt;
  linear.remove_prefix(kLayers.size());
  int64_t layer = -1;
  const auto [end, code] = std::from_chars(linear.data(), linear.data() + linear.size(), layer);
  if (code != std::errc() || layer < 0 || layer >= config.num_layers) return std::nullopt;
  const std::string_view name(end, static_cast<size_t>(linear.data() + linear.size() - end));
  const int64_t width = config.num_heads * config.head_dim;
  const int64_t qkv = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim;
  if (name == ".attention.wqkv") return LinearShape{qkv, config.hidden_size};
  if (name == ".attention.wo") return LinearShape{config.hidden_size, width};
  if (name == ".feed_forward.w1" || name == ".feed_forward.w3") {
    return LinearShape{config.intermediate_size, config.hidden_size};
  }
  if (name == ".feed_forward.w2") return LinearShape{config.hidden_size, config.intermediate_size};
  return std::nullopt;
}

void CheckPair(const std::string& where, const std::string& linear, const LoraPair& pair,
               const LinearShape& shape) {
  const int64_t rank = pair.a.shape.empty() ? 0 : pair.a.shape[0];
  const std::vector<int64_t> a = {rank, shape.inputs};
  const std::vector<int64_t> b = {shape.outputs, rank};
  if (rank < 1 || pair.a.shape != a || pair.b.shape != b || !IsFloat(pair.a.dtype) ||
      !IsFloat(pair.b.dtype)) {
    Fail(
        "{}: LoRA of '{}' wanted A [r, {}] and B [{}, r] as floats, found {} {} and {} {}; it was "
        "made for another model",
        where, linear, shape.inputs, shape.outputs, Name(pair.a.dtype), ShapeString(pair.a.shape),
        Name(pair.b.dtype), ShapeString(pair.b.shape));
  }
}

}  // namespace

std::string_view WithoutPeftPrefix(std::string_view name) {
  return name.starts_with(kPeftPrefix) ? name.substr(kPeftPrefix.size()) : name;
}

bool LoraAdapter::IsAdapterDirectory(const fs::path& directory) {
  std::error_code code;
  for (const char* name : kAdapterFiles) {
    if (fs::exists(directory / name, code)) return true;
  }
  return false;
}

LoraAdapter LoraAdapter::Open(const fs::path& directory, const ModelConfig& config) {
  const std::string where = directory.string();
  if (!IsAdapterDirectory(directory)) {
    Fail("{}: wanted a LoRA directory with adapter_config.json and adapter_model.safetensors",
         where);
  }
  const std::optional<LoraConfig> lora = ReadLoraConfig(directory);
  if (!lora) Fail("{}: adapter_config.json is missing; it has the adapter's scale", where);
  RejectOtherAdapters(directory / "adapter_config.json");

  LoraAdapter adapter;
  adapter.checkpoint_ = Checkpoint::Open(directory);
  for (std::string_view name : adapter.checkpoint_.names()) {
    const std::optional<LoraName> parsed = ParseLoraName(name);
    if (!parsed) {
      if (name.find(".Plora_") != name.npos) continue;
      Fail("{}: tensor '{}' is neither lora_A nor lora_B of a linear; merge the adapter with PEFT",
           where, name);
    }
    const TensorView& view = *adapter.checkpoint_.Find(name);
    LoraPair& pair = adapter.pairs_[parsed->linear];
    (parsed->is_b ? pair.b : pair.a) = view;
  }
  for (auto& [linear, pair] : adapter.pairs_) {
    if (pair.a.data == nullptr || pair.b.data == nullptr) {
      Fail("{}: '{}' has lora_{} and no lora_{}; the file is not complete", where, linear,
           pair.a.data != nullptr ? "A" : "B", pair.a.data != nullptr ? "B" : "A");
    }
    const std::optional<LinearShape> shape = ShapeOf(linear, config);
    if (!shape) {
      Fail(
          "{}: LoRA of '{}': this model has no such linear; wqkv, wo, w1, w2 and w3 of its {} "
          "layers can have one",
          where, linear, config.num_layers);
    }
    CheckPair(where, linear, pair, *shape);
    pair.scale = lora->Scale(linear);
  }
  return adapter;
}

const LoraPair* LoraAdapter::Find(std::string_view linear) const {
  const auto it = pairs_.find(linear);
  return it == pairs_.end() ? nullptr : &it->second;
}

}  // namespace ixc
