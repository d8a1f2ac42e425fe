#include "model/census.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "cpu/aligned_buffer.h"
#include "kernels/attention/attention.h"
#include "model/prefill.h"

namespace ixc {

namespace {

struct PartRule {
  const char* part;
  bool (*matches)(std::string_view name);
};

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}
bool Contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// The tower's last norm and its position ids are in some files and never used.
bool IsUnusedTowerTensor(std::string_view name) {
  return Contains(name, "post_layernorm") || Contains(name, "position_ids");
}

// The first rule that matches takes the tensor; none: the model does not use it.
constexpr auto kRules = std::to_array<PartRule>({
    {kPartEmbeddings, [](std::string_view n) { return n == "model.tok_embeddings.weight"; }},
    {kPartPartialLora,
     [](std::string_view n) { return StartsWith(n, "model.layers.") && Contains(n, "Plora_"); }},
    {"decoder norms",
     [](std::string_view n) {
       return n == "model.norm.weight" ||
              (StartsWith(n, "model.layers.") && Contains(n, "_norm.weight"));
     }},
    {kPartDecoderLinears,
     [](std::string_view n) {
       return StartsWith(n, "model.layers.") &&
              (Contains(n, ".attention.w") || Contains(n, ".feed_forward.w"));
     }},
    {kPartOutputHead, [](std::string_view n) { return n == "output.weight"; }},
    {"vision tower",
     [](std::string_view n) {
       return StartsWith(n, "vit.vision_tower.vision_model.") && !IsUnusedTowerTensor(n);
     }},
    {"projector", [](std::string_view n) { return StartsWith(n, "vision_proj."); }},
    {"separators", [](std::string_view n) { return n == "plora_glb_GN" || n == "plora_sub_GN"; }},
});

void Count(const TensorView& tensor, CensusPart& part) {
  ++part.num_tensors;
  part.num_elements += static_cast<uint64_t>(tensor.NumElements());
  part.num_bytes += tensor.NumBytes();
  const std::string dtype = Name(tensor.dtype);
  if (std::find(part.dtypes.begin(), part.dtypes.end(), dtype) == part.dtypes.end()) {
    part.dtypes.push_back(dtype);
  }
}

MemoryPlan PlanMemory(const Census& census, const ModelConfig& config, DType weights_dtype,
                      int64_t context) {
  MemoryPlan plan;
  plan.context = context;
  for (const CensusPart& part : census.parts) {
    if (part.name != kPartEmbeddings) plan.weights += part.num_bytes;
  }
  const KvShape kv{static_cast<int>(config.num_kv_heads), static_cast<int>(config.head_dim),
                   weights_dtype == DType::kF32 ? DType::kF32 : DType::kF16};
  const uint64_t blocks = static_cast<uint64_t>(NumKeyBlocks(context));
  plan.keys_and_values = blocks * kv.BlockBytes() * static_cast<uint64_t>(config.num_layers);
  // The embedded prompt, and one chunk: its hidden rows, the inner rows of the MLP twice, and the
  // packed input of the widest product.
  const int64_t chunk = std::min(context, kPrefillRows);
  const int64_t floats = context * config.hidden_size +
                         chunk * (4 * config.hidden_size + 3 * config.intermediate_size);
  plan.activations = static_cast<uint64_t>(floats) * sizeof(float);
  return plan;
}

}  // namespace

Census TakeCensus(const Checkpoint& checkpoint, const ModelConfig& config, ModelKind kind,
                  int64_t context) {
  Census census;
  census.kind = kind;
  census.directory = checkpoint.directory().string();
  for (const TensorFile* file : checkpoint.files()) {
    census.files.push_back(file->path().filename().string());
  }
  std::vector<CensusPart> parts(kRules.size());
  for (size_t i = 0; i < kRules.size(); ++i) parts[i].name = kRules[i].part;
  for (std::string_view name : checkpoint.names()) {
    const auto rule = std::find_if(kRules.begin(), kRules.end(),
                                   [&](const PartRule& r) { return r.matches(name); });
    if (rule == kRules.end()) {
      census.unknown.emplace_back(name);
    } else {
      Count(*checkpoint.Find(name), parts[static_cast<size_t>(rule - kRules.begin())]);
    }
  }
  std::copy_if(parts.begin(), parts.end(), std::back_inserter(census.parts),
               [](const CensusPart& part) { return part.num_tensors > 0; });
  const TensorView* head = checkpoint.Find("output.weight");
  census.memory = PlanMemory(census, config, head != nullptr ? head->dtype : DType::kF16,
                             context > 0 ? context : MaxPromptTokens(census.kind, config));
  return census;
}

}  // namespace ixc
