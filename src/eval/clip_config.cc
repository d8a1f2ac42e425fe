#include "eval/clip_config.h"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace ixc {
namespace {

constexpr Range<int64_t> kDimension{1, 1 << 20};
constexpr Range<int64_t> kLayers{1, 4096};

// laion/CLIP-ViT-H-14-laion2B-s32B-b79K, which the original tool set scores with.
constexpr std::string_view kVitH14 = R"({"model_cfg": {"embed_dim": 1024,
  "vision_cfg": {"image_size": 224, "layers": 32, "width": 1280, "head_width": 80, "patch_size": 14},
  "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16,
               "layers": 24}}})";

// Fields that, when they are set, make another model of it than this one.
void RejectOther(const JsonFields& fields, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Json* value = fields.Find(name);
    if (value == nullptr || *value == false) continue;
    fields.Reject(name, "none: only plain ViT towers as in ViT-H-14 are known");
  }
}

void RejectPool(const JsonFields& fields, const char* known) {
  if (fields.StringOr("pool_type", known) != known) {
    fields.Reject("pool_type", fmt::format("'{}'", known));
  }
}

int64_t MlpWidth(const JsonFields& fields, int64_t width) {
  const double ratio = fields.NumberOr("mlp_ratio", 4.0, {0.1, 64.0});
  return static_cast<int64_t>(static_cast<double>(width) * ratio);
}

int SmallInteger(const JsonFields& fields, const char* name, int64_t fallback,
                 Range<int64_t> range) {
  return static_cast<int>(fields.IntegerOr(name, fallback, range));
}

void ReadImage(const JsonFields& fields, Activation activation, ClipConfig& config) {
  RejectOther(fields, {"timm_model_name", "attentional_pool", "no_ln_pre", "ls_init_value",
                       "output_tokens", "final_ln_after_pool"});
  RejectPool(fields, "tok");
  if (const Json* layers = fields.Find("layers"); layers != nullptr && layers->is_array()) {
    fields.Reject("layers", "a number: ResNet towers are not known");
  }
  VisionTowerConfig& image = config.image;
  image.view_size = SmallInteger(fields, "image_size", 224, {1, 4096});
  image.patch_size = SmallInteger(fields, "patch_size", 16, {1, 4096});
  if (image.view_size % image.patch_size != 0) {
    fields.Reject("image_size", fmt::format("a multiple of patch_size {}", image.patch_size));
  }
  image.width = fields.IntegerOr("width", 768, kDimension);
  const int64_t head_width = fields.IntegerOr("head_width", 64, kDimension);
  if (image.width % head_width != 0) {
    fields.Reject("width", fmt::format("a multiple of head_width {}", head_width));
  }
  image.num_heads = static_cast<int>(image.width / head_width);
  image.mlp_width = MlpWidth(fields, image.width);
  image.activation = activation;
  config.num_image_layers = SmallInteger(fields, "layers", 12, kLayers);
}

void ReadText(const JsonFields& fields, Activation activation, ClipConfig& config) {
  RejectOther(fields, {"hf_model_name", "embed_cls", "ls_init_value", "no_causal_mask", "proj_bias",
                       "output_tokens", "tokenizer_kwargs"});
  RejectPool(fields, "argmax");
  EncoderConfig& text = config.text;
  text.width = fields.IntegerOr("width", 512, kDimension);
  text.num_heads = SmallInteger(fields, "heads", 8, kLayers);
  if (text.width % text.num_heads != 0) {
    fields.Reject("width", fmt::format("a multiple of heads {}", text.num_heads));
  }
  text.mlp_width = MlpWidth(fields, text.width);
  text.activation = activation;
  text.causal = true;
  config.num_text_layers = SmallInteger(fields, "layers", 12, kLayers);
  config.context_length = fields.IntegerOr("context_length", 77, {3, 1 << 16});
  config.vocab_size = fields.IntegerOr("vocab_size", 49408, {514, 1 << 24});
}

void ReadChannels(const JsonFields& fields, const char* name, std::array<float, 3>& channels) {
  const Json* values = fields.Find(name);
  if (values == nullptr) return;
  if (!values->is_array() || values->size() != 3) fields.Reject(name, "three numbers");
  for (size_t i = 0; i < 3; ++i) {
    const Json& value = (*values)[i];
    if (!value.is_number() || !std::isfinite(value.get<float>())) {
      fields.Reject(name, "three numbers");
    }
    channels[i] = value.get<float>();
  }
}

void ReadPreprocessing(const JsonFields& fields, ImageTransform& transform) {
  ReadChannels(fields, "mean", transform.mean);
  ReadChannels(fields, "std", transform.std);
  for (float value : transform.std) {
    if (!(value > 0)) fields.Reject("std", "numbers above 0");
  }
  const std::string filter = fields.StringOr("interpolation", "bicubic");
  if (filter != "bicubic" && filter != "random") {  // random: bicubic but for training
    fields.Reject("interpolation", "'bicubic'");
  }
  const std::string resize = fields.StringOr("resize_mode", "shortest");
  if (resize != "shortest" && resize != "squash") {
    fields.Reject("resize_mode", "'shortest' or 'squash'");
  }
  transform.kind =
      resize == "squash" ? ImageTransform::Kind::kSquare : ImageTransform::Kind::kCentreCrop;
}

}  // namespace

ClipConfig ParseClipConfig(std::string_view text, const std::string& where) {
  const Json json = ParseJson(text, where);
  const JsonFields top(json, where);
  const JsonFields model = top.Object("model_cfg");
  ClipConfig config;
  config.embed_dim = model.Integer("embed_dim", kDimension);
  const Activation activation =
      model.BoolOr("quick_gelu", false) ? Activation::kQuickGelu : Activation::kGelu;
  ReadImage(model.Object("vision_cfg"), activation, config);
  ReadText(model.Object("text_cfg"), activation, config);
  config.transform.kind = ImageTransform::Kind::kCentreCrop;
  config.transform.view_size = config.image.view_size;
  if (top.Has("preprocess_cfg")) ReadPreprocessing(top.Object("preprocess_cfg"), config.transform);
  return config;
}

ClipConfig ReadClipConfig(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "open_clip_config.json";
  if (!std::filesystem::exists(path)) return ParseClipConfig(kVitH14, "ViT-H-14");
  return ParseClipConfig(MappedFile(path).text(), path.string());
}

}  // namespace ixc
