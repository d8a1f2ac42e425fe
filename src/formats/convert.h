// Model directories to safetensors: .bin shards in, shards of the same division out, one tensor in
// memory at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace ixc {

struct ConvertOptions {
  // F32, F16 or BF16 for every floating-point tensor; empty: as stored.
  std::optional<DType> dtype = std::nullopt;
  bool overwrite = false;                                     // replace files of the destination
  std::function<void(uint64_t bytes_read)> on_progress = {};  // may be empty
};

struct ConvertReport {
  std::vector<std::string> files;  // weight files written
  uint64_t num_tensors = 0;
  uint64_t num_bytes = 0;      // of tensors written
  uint64_t num_overflows = 0;  // finite values too large for the new dtype: they became infinite
};

// Writes pytorch_model-0000i-of-0000n.bin as model-0000i-of-0000n.safetensors (other names keep
// their stem), reads every file back and compares it, then writes model.safetensors.index.json when
// there are several. The source's other files (configuration, tokenizer) are copied unless both
// directories are the same; a new dtype is put into config.json's torch_dtype. Tensors that share a
// storage are written in full. An existing file is an error without `overwrite`.
ConvertReport ConvertCheckpoint(const std::filesystem::path& source,
                                const std::filesystem::path& destination,
                                const ConvertOptions& options);

}  // namespace ixc
