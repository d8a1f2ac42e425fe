#include "model/xcomposer2.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/half.h"
#include "formats/clip_tower.h"
#include "formats/tensor_catalog.h"
#include "formats/weight_directory.h"
#include "kernels/resize/resize.h"
#include "model/decoder_layout.h"
#include "model/weight_loader.h"

namespace ixc {

namespace {

using LinearKind = WeightLoader::LinearKind;

// alpha / rank of a linear such as "attention.wqkv".
using LoraScales = std::function<double(const std::string& linear)>;

VisionTowerConfig TowerConfig(const ModelConfig& config, ModelKind kind) {
  VisionTowerConfig tower;
  tower.width = config.vision.hidden_size;
  tower.mlp_width = config.vision.intermediate_size;
  tower.num_heads = static_cast<int>(config.vision.num_heads);
  tower.patch_size = static_cast<int>(config.vision.patch_size);
  tower.view_size = ViewSize(kind, config);
  tower.layer_norm_eps = static_cast<float>(config.vision.layer_norm_eps);
  return tower;
}

// A position table of another square grid, resized; the class row stays.
std::vector<float> ResizePositions(const std::vector<float>& table, int64_t rows,
                                   const VisionTowerConfig& tower, const std::string& name,
                                   const Compute& compute) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(rows - 1))));
  if (int64_t{side} * side + 1 != rows || side < 1) {
    Fail("tensor '{}' has {} rows, wanted one and a square number, such as {}", name, rows,
         tower.num_patches() + 1);
  }
  const int width = static_cast<int>(tower.width);
  const int new_side = tower.patches_per_side();
  std::vector<float> resized(static_cast<size_t>((tower.num_patches() + 1) * width));
  std::copy_n(table.begin(), width, resized.begin());
  ResizeBicubic({table.data() + width, 1, side, side, width},
                {resized.data() + width, 1, new_side, new_side, width}, compute);
  return resized;
}

// The position table [1 + side^2, width]. VL checkpoints hold it in the size that they need; a
// stock CLIP table is resized.
std::vector<float> LoadPositions(WeightLoader& loader, const WeightSource& source,
                                 const VisionTowerConfig& tower, const Compute& compute) {
  const std::string name = kPositionTable;
  const TensorView* stored = source.Find(name);
  const int64_t wanted = tower.num_patches() + 1;
  const int64_t rows = stored != nullptr && !stored->shape.empty() ? stored->shape[0] : wanted;
  std::vector<float> table = loader.LoadVector(name, {rows, tower.width});
  return rows == wanted ? table : ResizePositions(table, rows, tower, name, compute);
}

EncoderLayer LoadVisionLayer(WeightLoader& loader, const VisionTowerConfig& tower, int index) {
  const std::string prefix =
      std::string(kTowerPrefix) + "encoder.layers." + std::to_string(index) + ".";
  const std::string attention = prefix + "self_attn.";
  EncoderLayer layer;
  layer.norm1 = loader.LoadLayerNorm(prefix + "layer_norm1", tower.width);
  const std::vector<int64_t> square = {tower.width, tower.width};
  layer.qkv.weight = loader.LoadMatrix(
      {{attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"},
       {square, square, square},
       {}});
  for (const char* projection : {"q_proj", "k_proj", "v_proj"}) {
    const auto bias = loader.LoadVector(attention + projection + ".bias", {tower.width});
    layer.qkv.bias.insert(layer.qkv.bias.end(), bias.begin(), bias.end());
  }
  layer.out = loader.LoadLinear(attention + "out_proj", tower.width, tower.width);
  layer.norm2 = loader.LoadLayerNorm(prefix + "layer_norm2", tower.width);
  layer.fc1 = loader.LoadLinear(prefix + "mlp.fc1", tower.mlp_width, tower.width);
  layer.fc2 = loader.LoadLinear(prefix + "mlp.fc2", tower.width, tower.mlp_width);
  return layer;
}

std::unique_ptr<VisionTower> LoadTower(WeightLoader& loader, const WeightSource& source,
                                       const ModelConfig& config, ModelKind kind,
                                       const Compute& compute) {
  const VisionTowerConfig tower = TowerConfig(config, kind);
  const std::string embeddings = std::string(kTowerPrefix) + "embeddings.";
  VisionTower::Embeddings embedded;
  embedded.class_embedding = loader.LoadVector(embeddings + "class_embedding", {tower.width});
  embedded.patch = loader.LoadMatrix(embeddings + "patch_embedding.weight",
                                     {tower.width, 3, tower.patch_size, tower.patch_size});
  embedded.positions = LoadPositions(loader, source, tower, compute);
  embedded.pre_norm = loader.LoadLayerNorm(std::string(kTowerPrefix) + "pre_layrnorm", tower.width);
  std::vector<EncoderLayer> layers;
  for (int i = 0; i < static_cast<int>(config.vision.num_layers); ++i) {
    layers.push_back(LoadVisionLayer(loader, tower, i));
  }
  return std::make_unique<VisionTower>(tower, std::move(embedded), std::move(layers));
}

DecoderLayer LoadDecoderLayer(WeightLoader& loader, const ModelConfig& config,
                              const LoraScales& scale_of, std::span<const int64_t> qkv_order,
                              int index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const int64_t hidden = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  const auto part = [&](const char* name, int64_t outputs) {
    return WeightLoader::LoraPart{prefix + name, outputs, static_cast<float>(scale_of(name))};
  };
  const WeightLoader::LoraPart qkv[] = {
      part("attention.wqkv", static_cast<int64_t>(qkv_order.size()))};
  const WeightLoader::LoraPart out[] = {part("attention.wo", hidden)};
  const WeightLoader::LoraPart gate_up[] = {part("feed_forward.w1", inner),
                                            part("feed_forward.w3", inner)};
  const WeightLoader::LoraPart down[] = {part("feed_forward.w2", hidden)};
  DecoderLayer layer;
  layer.attention_norm = loader.LoadVector(prefix + "attention_norm.weight", {hidden});
  layer.wqkv = loader.LoadPartialLora(qkv, hidden, LinearKind::kUsual, qkv_order);
  layer.wo = loader.LoadPartialLora(out, config.num_heads * config.head_dim, LinearKind::kUsual);
  layer.ffn_norm = loader.LoadVector(prefix + "ffn_norm.weight", {hidden});
  layer.gate_up = loader.LoadPartialLora(gate_up, hidden, LinearKind::kUsual);
  layer.w2 = loader.LoadPartialLora(down, inner, LinearKind::kDown);
  return layer;
}

std::unique_ptr<Decoder> LoadDecoder(WeightLoader& loader, const ModelConfig& config,
                                     const LoraScales& scale_of) {
  const std::vector<int64_t> qkv_order = QkvRowOrder(config);
  std::vector<DecoderLayer> layers;
  for (int i = 0; i < static_cast<int>(config.num_layers); ++i) {
    layers.push_back(LoadDecoderLayer(loader, config, scale_of, qkv_order, i));
  }
  auto final_norm = loader.LoadVector("model.norm.weight", {config.hidden_size});
  WeightMatrix output = loader.LoadWeight(
      {{"output.weight"}, {{config.vocab_size, config.hidden_size}}, {}}, LinearKind::kHead);
  return std::make_unique<Decoder>(DecoderConfigOf(config), std::move(layers),
                                   std::move(final_norm), std::move(output));
}

ImageLayout LoadLayout(WeightLoader& loader, const ModelConfig& config, ModelKind kind) {
  ImageLayout layout;
  layout.merge = PatchMerge(kind);
  if (kind == ModelKind::kVl) return layout;
  const int64_t merged = int64_t{layout.merge} * layout.merge * config.vision.hidden_size;
  layout.row_separator = loader.LoadVector("plora_sub_GN", {1, 1, 1, merged});
  layout.view_separator = loader.LoadVector("plora_glb_GN", {1, 1, merged});
  return layout;
}

// The options that packed weights depend on.
std::string DescribePacking(const LoadOptions& options) {
  std::string text = options.cast_float32_to ? Name(*options.cast_float32_to) : "as stored";
  if (options.scheme) {
    text += std::string(", ") + Name(options.scheme->scheme) + " " +
            std::to_string(options.scheme->group);
  }
  return text;
}

}  // namespace

XComposer2 XComposer2::Load(WeightDirectory directory, const LoadOptions& options,
                            const Compute& compute) {
  const auto warn = [&](const std::string& line) {
    if (options.on_warning) options.on_warning(line);
  };
  for (const std::string& line : directory.warnings) warn(line);
  const ModelSpec spec{directory.config, directory.kind, directory.lora, directory.lora_adapter};
  std::unique_ptr<PackCache> packs;
  const bool merges = spec.lora_adapter && options.merge_lora;
  if (!options.pack_cache.directory.empty() && merges) {
    warn("packed weights with a LoRA in them are not kept: --pack-cache is not used");
  } else if (!options.pack_cache.directory.empty()) {
    packs = std::make_unique<PackCache>(options.pack_cache, directory.checkpoint,
                                        DescribePacking(options));
  }
  XComposer2 model = Build(std::make_unique<CheckpointWeights>(std::move(directory.checkpoint),
                                                               std::move(directory.quantization)),
                           spec, options, compute, packs.get());
  if (packs != nullptr) packs->Save();
  return model;
}

XComposer2 XComposer2::Build(std::unique_ptr<WeightSource> weights, const ModelSpec& spec,
                             const LoadOptions& options, const Compute& compute, PackCache* packs) {
  const ModelConfig& config = spec.config;
  const ModelKind kind = spec.kind;
  XComposer2 model;
  model.kind_ = kind;
  model.config_ = config;
  WeightLoader loader(*weights, options, compute, packs,
                      spec.lora_adapter ? &*spec.lora_adapter : nullptr);
  model.embeddings_ = weights->Get("model.tok_embeddings.weight",
                                   std::vector<int64_t>{config.vocab_size, config.hidden_size});
  model.tower_ = LoadTower(loader, *weights, config, kind, compute);
  model.layout_ = LoadLayout(loader, config, kind);
  const int64_t merged =
      int64_t{model.layout_.merge} * model.layout_.merge * config.vision.hidden_size;
  model.projector_.first = loader.LoadLinear("vision_proj.0", config.hidden_size, merged);
  model.projector_.second =
      loader.LoadLinear("vision_proj.2", config.hidden_size, config.hidden_size);
  model.decoder_ = LoadDecoder(loader, config, [&](const std::string& linear) {
    return LoraScale(kind, spec.lora, linear);
  });
  model.weights_ = std::move(weights);
  return model;
}

DType XComposer2::weight_dtype() const {
  const auto* head = std::get_if<PackedMatrix>(&decoder_->output());
  return head != nullptr ? head->dtype : projector_.first.weight.dtype;
}

const char* XComposer2::scheme_name() const {
  return SchemeName(decoder_->layers().empty() ? decoder_->output()
                                               : decoder_->layers()[0].wqkv.weight);
}

Matrix XComposer2::ImageTokens(ConstMatrixView features, const ViewGrid& grid) const {
  return AssembleImageTokens(layout_, grid, tower_->config().patches_per_side(), features);
}

void XComposer2::Project(ConstMatrixView tokens, MatrixView embeds, const Compute& compute) const {
  Matrix inner(tokens.rows, config_.hidden_size);
  projector_.first.Apply(tokens, inner, Activation::kGelu, compute);
  projector_.second.Apply(inner, embeds, Activation::kNone, compute);
}

void XComposer2::EmbedTokens(std::span<const int32_t> ids, MatrixView out) const {
  const size_t row_bytes = static_cast<size_t>(config_.hidden_size) * SizeOf(embeddings_.dtype);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= config_.vocab_size) {
      Fail("token id {} is outside the vocabulary of {}", ids[i], config_.vocab_size);
    }
    const TensorView row{embeddings_.dtype,
                         {config_.hidden_size},
                         embeddings_.data + static_cast<size_t>(ids[i]) * row_bytes};
    const std::vector<float> values = ReadAsFloat(row, "model.tok_embeddings.weight");
    std::copy(values.begin(), values.end(), out.Row(static_cast<int64_t>(i)));
  }
}

}  // namespace ixc
