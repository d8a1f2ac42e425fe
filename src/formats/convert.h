// Model directories to safetensors: streamed, in steps that a later run can take up.
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
  uint64_t max_shard_bytes = 0;  // 0: one file for each of the source's
  bool overwrite = false;        // replace files of the destination
  // Share of the work done, 0 … 1; may be empty. What it throws stops the conversion, which can be
  // taken up later.
  std::function<void(double share)> on_progress = {};
};

struct ConvertReport {
  std::vector<std::string> files;  // weight files written
  uint64_t num_tensors = 0;
  uint64_t num_bytes = 0;       // of tensors written
  uint64_t num_kept_bytes = 0;  // that an interrupted run had written already
  uint64_t num_overflows = 0;   // finite values too large for the new dtype: they became infinite
};

// Writes every tensor of `source` as safetensors into `destination` (convert_plan.h tells the files
// and their names), reads every file back, and adds model.safetensors.index.json when there are
// several. The source's other files (configuration, tokenizer) are copied unless both directories
// are the same; a new dtype is put into config.json's torch_dtype.
//
// Nothing appears in the destination before everything is complete (staging_directory.h). A run
// that is killed, interrupted or fails leaves its work in a hidden folder, where the same call goes
// on. Memory: a few megabytes, whatever the size of the source, and a copy of the tensors of one
// .bin file that are stored transposed.
//
// Errors before the first byte is written: a destination that has one of the files (without
// `overwrite`) or weights of another model, a source that would be overwritten, too little space.
ConvertReport ConvertCheckpoint(const std::filesystem::path& source,
                                const std::filesystem::path& destination,
                                const ConvertOptions& options);

}  // namespace ixc
