// What a checkpoint holds, part by part, and what running it will need. From headers alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/model_config.h"
#include "formats/model_kind.h"

namespace ixc {

// Names of parts that are counted with.
inline constexpr const char* kPartEmbeddings = "token embeddings";
inline constexpr const char* kPartDecoderLinears = "decoder linears";
inline constexpr const char* kPartPartialLora = "partial LoRA";
inline constexpr const char* kPartOutputHead = "output head";

struct CensusPart {
  std::string name;
  uint64_t num_tensors = 0;
  uint64_t num_elements = 0;
  uint64_t num_bytes = 0;
  std::vector<std::string> dtypes;
};

// Bytes.
struct MemoryPlan {
  int64_t context = 0;           // positions
  uint64_t weights = 0;          // packed copy of everything but the embedding table, read in place
  uint64_t keys_and_values = 0;  // of the whole context, in the type of native runs
  uint64_t activations = 0;      // of the largest step of the prefill

  uint64_t Total() const { return weights + keys_and_values + activations; }
};

struct Census {
  ModelKind kind = ModelKind::kVl;
  std::string directory;
  std::vector<std::string> files;
  std::vector<CensusPart> parts;
  std::vector<std::string> unknown;  // tensors that the model does not use
  MemoryPlan memory;
};

// context 0: the longest prompt of the model.
Census TakeCensus(const Checkpoint& checkpoint, const ModelConfig& config, ModelKind kind,
                  int64_t context);

}  // namespace ixc
