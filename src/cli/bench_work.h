// How much arithmetic and how many bytes a job of the model is: what its speed is held against.
// Multiply and add count apart.
#pragma once

#include <cstdint>

#include "engine/pipeline.h"

namespace ixc {

// Prefill of `tokens`, `image_tokens` of them with partial LoRA, up to the logits of the last:
//   2 n k a row and linear, 4 d a head and pair of positions that see each other
double PrefillOperations(const Decoder& decoder, int64_t tokens, int64_t image_tokens);

// Read for one decode step behind `context` positions: all weights but the adapters, once, and the
// keys and values.
double DecodeBytes(const Decoder& decoder, int64_t context, DType kv_dtype);

// Tower and projector for one picture.
double VisionOperations(const XComposer2& model, int64_t views, int64_t image_tokens);

// All weights in memory, adapters and tower included, the embedding table not.
double WeightBytes(const XComposer2& model);

}  // namespace ixc
