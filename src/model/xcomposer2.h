// InternLM-XComposer2: vision tower, projector and decoder from one weight directory.
//
// VL and 4KHD are one class; what differs is data: the view size, the patch merge, the separators
// and the adapter ranks and scales.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/model_config.h"
#include "formats/model_kind.h"
#include "model/decoder.h"
#include "model/image_tokens.h"
#include "model/vision_tower.h"
#include "model/weight_loader.h"
#include "model/weight_source.h"

namespace ixc {

// What a weight directory's JSON files say of the model.
struct ModelSpec {
  ModelConfig config;
  ModelKind kind = ModelKind::kVl;
  std::optional<LoraConfig> lora;
  std::optional<LoraAdapter> lora_adapter = std::nullopt;  // ordinary LoRA on top
};

// Linear -> exact GELU -> Linear: from tower features to the decoder's embeddings.
struct Projector {
  Linear first;
  Linear second;
};

class XComposer2 {
 public:
  // Reads and packs all weights. Errors name the tensor or field that is missing or wrong; what a
  // user should know besides goes to options.on_warning.
  static XComposer2 Load(WeightDirectory directory, const LoadOptions& options,
                         const Compute& compute);

  // The same from any source of tensors; keeps the source (the embedding table is read in place).
  static XComposer2 Build(std::unique_ptr<WeightSource> weights, const ModelSpec& spec,
                          const LoadOptions& options, const Compute& compute,
                          PackCache* packs = nullptr);

  ModelKind kind() const { return kind_; }
  const ModelConfig& config() const { return config_; }
  const VisionTower& tower() const { return *tower_; }
  const Decoder& decoder() const { return *decoder_; }
  const ImageLayout& image_layout() const { return layout_; }
  // Of the head, or, where that is quantized, of the weights that are not.
  DType weight_dtype() const;
  // "f16", "bf16", "fp32", "w8a8", …: how the decoder's linears are held.
  const char* scheme_name() const;

  // From the tower's features of one picture (all its views) to embeddings: first put in order,
  // [image tokens, merge^2 width] (image_tokens.h), then projected, any number of rows at a time.
  Matrix ImageTokens(ConstMatrixView features, const ViewGrid& grid) const;
  void Project(ConstMatrixView tokens, MatrixView embeds, const Compute& compute) const;

  // Rows of the embedding table, [ids, hidden]; ids must be below the vocabulary's size.
  void EmbedTokens(std::span<const int32_t> ids, MatrixView out) const;

 private:
  XComposer2() = default;

  ModelKind kind_ = ModelKind::kVl;
  ModelConfig config_;
  std::unique_ptr<WeightSource> weights_;
  TensorView embeddings_;  // [vocab, hidden], as stored, inside weights_
  std::unique_ptr<VisionTower> tower_;
  ImageLayout layout_;
  Projector projector_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace ixc
