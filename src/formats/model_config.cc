#include "formats/model_config.h"

#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/foreign_model.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// Far above any model of this family, far below what overflows or exhausts memory by itself.
constexpr Range<int64_t> kWidth{1, 1 << 17};
constexpr Range<int64_t> kCount{1, 1 << 10};  // layers, heads
constexpr Range<int64_t> kVocabulary{1, 1 << 22};
constexpr Range<int64_t> kPositions{1, 1 << 24};
constexpr Range<int64_t> kPixels{1, 1 << 12};
constexpr Range<int64_t> kLoraNumber{1, 1024};  // of the original tool set
constexpr Range<double> kEpsilon{0, 1};

void RequireMultiple(const JsonFields& fields, std::string_view key, int64_t value,
                     std::string_view divisor_key, int64_t divisor) {
  if (value % divisor != 0) {
    fields.Reject(key, fmt::format("a multiple of {} ({})", divisor_key, divisor));
  }
}

RopeScaling ReadRopeScaling(const JsonFields& fields) {
  if (!fields.Has("rope_scaling")) return {};
  const JsonFields scaling = fields.Object("rope_scaling");
  const std::string type = scaling.String("type");
  if (type != "linear" && type != "dynamic") scaling.Reject("type", "'linear' or 'dynamic'");
  if (fields.Find("rope_scaling")->size() != 2) {
    fields.Reject("rope_scaling", "an object with just 'type' and 'factor'");
  }
  return {.type = type == "linear" ? RopeScaling::Type::kLinear : RopeScaling::Type::kDynamic,
          .factor = scaling.Number("factor", {1, 1e6})};
}

std::optional<DType> ReadTorchDType(const JsonFields& fields) {
  if (!fields.Has("torch_dtype")) return std::nullopt;
  const std::string name = fields.String("torch_dtype");
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name == "bfloat16") return DType::kBF16;
  fields.Reject("torch_dtype", "'float32', 'float16' or 'bfloat16'");
}

VisionConfig ReadVisionConfig(const JsonFields& fields) {
  VisionConfig vision;
  vision.hidden_size = fields.IntegerOr("hidden_size", vision.hidden_size, kWidth);
  vision.intermediate_size =
      fields.IntegerOr("intermediate_size", vision.intermediate_size, kWidth);
  vision.num_layers = fields.IntegerOr("num_hidden_layers", vision.num_layers, kCount);
  vision.num_heads = fields.IntegerOr("num_attention_heads", vision.num_heads, kCount);
  vision.image_size = fields.IntegerOr("image_size", vision.image_size, kPixels);
  vision.patch_size = fields.IntegerOr("patch_size", vision.patch_size, kPixels);
  vision.layer_norm_eps = fields.NumberOr("layer_norm_eps", vision.layer_norm_eps, kEpsilon);
  RequireMultiple(fields, "hidden_size", vision.hidden_size, "num_attention_heads",
                  vision.num_heads);
  RequireMultiple(fields, "image_size", vision.image_size, "patch_size", vision.patch_size);
  if (fields.StringOr("hidden_act", "quick_gelu") != "quick_gelu") {
    fields.Reject("hidden_act", "'quick_gelu'");
  }
  fields.IntegerOr("num_channels", 3, {3, 3});
  return vision;
}

// What the arithmetic of this engine takes for granted.
void RejectOtherModels(const JsonFields& fields) {
  const std::string type = fields.StringOr("model_type", "internlmxcomposer2");
  // The original and its fine-tuned versions go by all three.
  if (type != "internlmxcomposer2" && type != "internlm2" && type != "internlm") {
    const Json* architectures = fields.Find("architectures");
    const bool named = architectures != nullptr && architectures->is_array() &&
                       !architectures->empty() && architectures->front().is_string();
    Fail("{}: a model of type '{}'{}; {}", fields.where(), type,
         named ? fmt::format(" ({})", architectures->front().get<std::string>()) : "",
         kModelsThatRun);
  }
  if (fields.Bool("bias")) fields.Reject("bias", "false (linears with bias are not supported)");
  if (fields.BoolOr("tie_word_embeddings", false)) {
    fields.Reject("tie_word_embeddings", "false (a tied head is not supported)");
  }
  if (fields.String("hidden_act") != "silu") fields.Reject("hidden_act", "'silu'");
}

void ReadDecoder(const JsonFields& fields, ModelConfig& config) {
  config.hidden_size = fields.Integer("hidden_size", kWidth);
  config.intermediate_size = fields.Integer("intermediate_size", kWidth);
  config.vocab_size = fields.Integer("vocab_size", kVocabulary);
  config.num_layers = fields.Integer("num_hidden_layers", kCount);
  config.num_heads = fields.Integer("num_attention_heads", kCount);
  config.num_kv_heads = fields.Integer("num_key_value_heads", kCount);
  RequireMultiple(fields, "hidden_size", config.hidden_size, "num_attention_heads",
                  config.num_heads);
  RequireMultiple(fields, "num_attention_heads", config.num_heads, "num_key_value_heads",
                  config.num_kv_heads);
  config.head_dim = config.hidden_size / config.num_heads;
  if (config.head_dim % 2 != 0) {
    fields.Reject("hidden_size", "an even number of elements a head (rotary positions need pairs)");
  }
  config.rms_norm_eps = fields.Number("rms_norm_eps", kEpsilon);
  config.rope_theta = fields.Number("rope_theta", {1, 1e12});
  config.rope_scaling = ReadRopeScaling(fields);
  config.max_position_embeddings = fields.Integer("max_position_embeddings", kPositions);
}

// Calls `parse` with the text of a file that a directory may lack.
template <typename Parse>
auto ReadIfPresent(const fs::path& path, Parse parse)
    -> std::optional<decltype(parse(std::string_view(), std::string()))> {
  std::error_code code;
  if (!fs::exists(path, code)) return std::nullopt;
  return parse(MappedFile(path).text(), path.string());
}

std::map<std::string, int64_t> ReadPattern(const JsonFields& fields, std::string_view key) {
  std::map<std::string, int64_t> pattern;
  if (!fields.Has(key)) return pattern;
  const JsonFields object = fields.Object(key);
  for (const auto& [linear, value] : fields.Find(key)->items()) {
    pattern.emplace(linear, object.Integer(linear, kLoraNumber));
  }
  return pattern;
}

}  // namespace

ModelConfig ParseModelConfig(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  const JsonFields fields(json, where);
  RejectOtherModels(fields);
  ModelConfig config;
  ReadDecoder(fields, config);
  const Range<int64_t> ids{0, config.vocab_size - 1};
  config.bos_token_id = fields.Integer("bos_token_id", ids);
  config.eos_token_id = fields.Integer("eos_token_id", ids);
  config.pad_token_id = fields.Integer("pad_token_id", ids);
  if (fields.Has("max_length")) config.max_length = fields.Integer("max_length", kPositions);
  config.torch_dtype = ReadTorchDType(fields);
  if (fields.Has("vision_config")) config.vision = ReadVisionConfig(fields.Object("vision_config"));
  config.img_size = fields.IntegerOr("img_size", config.img_size, kPixels);
  if (fields.Has("img_size")) {
    RequireMultiple(fields, "img_size", config.img_size, "the patch size",
                    config.vision.patch_size);
  }
  return config;
}

GenerationConfig ParseGenerationConfig(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  const JsonFields fields(json, where);
  GenerationConfig config;
  if (fields.Has("max_length")) config.max_length = fields.Integer("max_length", kPositions);
  const Json* eos = fields.Find("eos_token_id");
  if (eos == nullptr) return config;
  if (!eos->is_array()) {
    config.eos_token_ids.push_back(fields.Integer("eos_token_id", kNonNegative));
    return config;
  }
  for (const Json& id : *eos) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > INT64_MAX) {
      fields.Reject("eos_token_id", "an id or a list of ids");
    }
    config.eos_token_ids.push_back(id.get<int64_t>());
  }
  return config;
}

LoraConfig ParseLoraConfig(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  const JsonFields fields(json, where);
  LoraConfig config;
  config.rank = fields.IntegerOr("r", config.rank, kLoraNumber);
  config.alpha = fields.IntegerOr("lora_alpha", config.alpha, kLoraNumber);
  config.use_rslora = fields.BoolOr("use_rslora", config.use_rslora);
  config.rank_pattern = ReadPattern(fields, "rank_pattern");
  config.alpha_pattern = ReadPattern(fields, "alpha_pattern");
  return config;
}

double LoraConfig::Scale(const std::string& linear) const {
  const auto value = [&](const std::map<std::string, int64_t>& pattern, int64_t otherwise) {
    for (size_t begin = 0; begin < linear.size();) {
      const auto it = pattern.find(linear.substr(begin));
      if (it != pattern.end()) return static_cast<double>(it->second);
      const size_t dot = linear.find('.', begin);
      begin = dot == linear.npos ? linear.size() : dot + 1;
    }
    return static_cast<double>(otherwise);
  };
  const double r = value(rank_pattern, rank);
  return value(alpha_pattern, alpha) / (use_rslora ? std::sqrt(r) : r);
}

ModelConfig ReadModelConfig(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  auto config = ReadIfPresent(path, ParseModelConfig);
  if (!config) Fail("{}: missing; wanted the model's own config.json", path.string());
  return *std::move(config);
}

GenerationConfig ReadGenerationConfig(const fs::path& directory) {
  return ReadIfPresent(directory / "generation_config.json", ParseGenerationConfig)
      .value_or(GenerationConfig{});
}

std::optional<LoraConfig> ReadLoraConfig(const fs::path& directory) {
  return ReadIfPresent(directory / "adapter_config.json", ParseLoraConfig);
}

std::string ParseLoraDirectory(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  const JsonFields fields(json, where);
  if (json.size() != 1) Fail("{}: wanted one adapter, found {}", where, json.size());
  return fields.String(json.items().begin().key());
}

std::optional<fs::path> ReadLoraDirectory(const fs::path& directory) {
  const auto target = ReadIfPresent(directory / "lora_adapter.json", ParseLoraDirectory);
  if (!target) return std::nullopt;
  return directory / *target;  // an absolute path replaces the directory
}

}  // namespace ixc
