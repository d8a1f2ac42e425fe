#include "formats/foreign_model.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace ixc {
namespace {

class Names {
 public:
  explicit Names(const Checkpoint& checkpoint) : names_(checkpoint.names()) {}

  bool Have(std::string_view part) const {
    return std::any_of(names_.begin(), names_.end(),
                       [&](std::string_view name) { return name.find(part) != name.npos; });
  }
  bool HaveOneBeginning(std::string_view begin) const {
    return std::any_of(names_.begin(), names_.end(),
                       [&](std::string_view name) { return name.starts_with(begin); });
  }

 private:
  std::vector<std::string_view> names_;
};

int64_t Rows(const Checkpoint& checkpoint, std::string_view name) {
  const TensorView* tensor = checkpoint.Find(name);
  return tensor != nullptr && !tensor->shape.empty() ? tensor->shape[0] : 0;
}

// XComposer-2.5 has 4KHD's names; its tower sees 560 pixels, and the adapters of wqkv have the rank
// of the others.
bool IsXComposer25(const Checkpoint& checkpoint, int64_t patch_size) {
  if (checkpoint.Find("plora_glb_GN") == nullptr || checkpoint.Find("plora_sub_GN") == nullptr) {
    return false;
  }
  constexpr int64_t kViewPixels = 560;
  const int64_t side = kViewPixels / patch_size;
  const int64_t positions =
      Rows(checkpoint, "vit.vision_tower.vision_model.embeddings.position_embedding.weight");
  const int64_t qkv_rank = Rows(checkpoint, "model.layers.0.attention.wqkv.Plora_A.weight");
  const int64_t out_rank = Rows(checkpoint, "model.layers.0.attention.wo.Plora_A.weight");
  return positions == side * side + 1 || (qkv_rank > 0 && qkv_rank == out_rank);
}

}  // namespace

std::optional<std::string> IdentifyForeignModel(const Checkpoint& checkpoint, int64_t patch_size) {
  const Names names(checkpoint);
  if (names.Have(".attention.wqkv.")) {
    if (IsXComposer25(checkpoint, patch_size)) return "InternLM-XComposer-2.5, a later model";
    if (!names.Have("Plora_") && !names.HaveOneBeginning("vit.") &&
        !names.HaveOneBeginning("vision_proj.") && !names.Have(".lora_")) {
      return "a plain InternLM2 language model: no vision tower, no projector, no partial LoRA";
    }
    if (!names.Have(".lora_")) return std::nullopt;
  }
  if (names.Have(".lora_A.")) return "a LoRA adapter, not a model; give it with --lora";
  const bool is_llama = names.Have(".self_attn.q_proj.") && names.Have(".mlp.gate_proj.");
  if (names.Have("mm_projector.") || names.Have("multi_modal_projector.")) {
    return "a LLaVA-like model (tensors of a multi-modal projector)";
  }
  if (is_llama && names.Have("visual.")) return "a Qwen-VL-like model";
  if (is_llama) return "a LLaMA-like language model";
  if (names.HaveOneBeginning("vision_model.") || names.HaveOneBeginning("text_model.")) {
    return "a CLIP model, not a language model; give it with --vit-path";
  }
  if (names.HaveOneBeginning("visual.")) return "an OpenCLIP model";
  return std::nullopt;
}

}  // namespace ixc
