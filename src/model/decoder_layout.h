// What a config.json says of the decoder's shapes and of the order of its weights.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/model_config.h"
#include "model/decoder.h"

namespace ixc {

DecoderConfig DecoderConfigOf(const ModelConfig& config);

// The checkpoint interleaves wqkv by KV group: its query heads, its key head, its value head. Here
// all queries come first, then all keys, then all values, so that each is one block of columns.
// Entry r is the checkpoint's row of row r here.
std::vector<int64_t> QkvRowOrder(const ModelConfig& config);

}  // namespace ixc
