// What a conversion will write: which tensors into which files, before any of them is read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "tensor/dtype.h"

namespace ixc {

// A tensor to write, in its output type.
struct PlannedTensor {
  const NamedTensor* tensor = nullptr;
  const TensorFile* file = nullptr;
  DType dtype = DType::kF32;
  uint64_t num_bytes = 0;  // as written
};

struct PlannedShard {
  std::string name;
  std::vector<PlannedTensor> tensors = {};  // sorted by name
  std::map<std::string, std::string> metadata =
      {};  // "format": "pt", and dropped name -> kept name
  uint64_t num_bytes = 0;
};

struct ConvertPlan {
  std::vector<PlannedShard> shards;
  std::string index;  // text of model.safetensors.index.json; empty: one file needs none
  uint64_t num_bytes = 0;
};

inline constexpr char kSafetensorsIndexName[] = "model.safetensors.index.json";

// pytorch_model-00001-of-00002.bin -> model-00001-of-00002.safetensors, by the rule of the original
// tool set: every leading character of the stem that is one of p y t o r c h _ goes. safetensors
// files keep their name.
std::string SafetensorsName(const std::filesystem::path& file);

// dtype: F32, F16 or BF16 for every floating-point tensor; empty: as stored.
// max_shard_bytes 0: one file for each of the source's. Else files are filled in the order of the
// source up to this size, as Hugging Face's save_pretrained does, and named
// model-0000i-of-0000n.safetensors, or model.safetensors if one is enough; a larger tensor gets a
// file of its own.
// Of tensors that are the same bytes under several names the alphabetically first is written and
// the others go into its file's metadata. Tensors that merely overlap are written in full.
ConvertPlan PlanConversion(const Checkpoint& checkpoint, std::optional<DType> dtype,
                           uint64_t max_shard_bytes);

}  // namespace ixc
