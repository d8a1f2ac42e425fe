// ixc compress: a w8a8s directory to w8a8sc, one part a rank of a tensor-parallel run.
//
//   DST/config.json, tokenizer files
//   DST/part{r}-of-{N}/quant_model_weight_w8a8sc.safetensors, quant_model_description.json
//
// Layout, names and split are the original's (tp_split.h). What the weights are compressed with is
// not: the vendor's format is not public, so X.weight and X.index hold nibble_codec.h's, and X.info
// and the description's metadata say so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "kernels/compute.h"

namespace ixc {

struct CompressReport {
  uint64_t num_weights = 0;       // compressed ones, of all parts
  uint64_t compressed_bytes = 0;  // their streams and indexes
  uint64_t num_bytes = 0;         // of all tensors of all parts
};

// Throws on a directory that is not w8a8s, a destination that exists, and ranks that do not divide
// the model. on_progress may be empty; may throw to stop.
CompressReport CompressDirectory(const std::filesystem::path& source,
                                 const std::filesystem::path& destination, int num_ranks,
                                 const std::function<void(double share)>& on_progress);

}  // namespace ixc
