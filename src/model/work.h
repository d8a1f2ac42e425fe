// How much arithmetic and how many bytes a job of the model is: what its speed is held against, and
// what its time is estimated from. Multiply and add count apart.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/census.h"
#include "model/xcomposer2.h"

namespace ixc {

// The weights of a decoder, in elements or in bytes.
struct DecoderWeights {
  double linears = 0;
  double adapters = 0;  // of partial LoRA
  double head = 0;
};

DecoderWeights ElementsOf(const Decoder& decoder);
DecoderWeights BytesOf(const Decoder& decoder);
// The same before anything is loaded.
DecoderWeights ElementsOf(const Census& census);
DecoderWeights BytesOf(const Census& census);

// Prefill of `tokens`, `image_tokens` of them with partial LoRA, up to the logits of the last:
//   2 n k a row and linear, 4 d a head and pair of positions that see each other
double PrefillOperations(const ModelConfig& config, const DecoderWeights& elements, int64_t tokens,
                         int64_t image_tokens);

// Read for one decode step behind `context` positions: all weights but the adapters, once, and the
// keys and values.
double DecodeBytes(const ModelConfig& config, const DecoderWeights& bytes, int64_t context,
                   DType kv_dtype);

// Where the numbers of those weights lie, scales left out.
std::vector<std::span<const std::byte>> DecodeWeights(const Decoder& decoder);

// Tower and projector for one picture.
double VisionOperations(const ModelConfig& config, ModelKind kind, int64_t views,
                        int64_t image_tokens);

// All weights in memory, adapters and tower included, the embedding table not.
double AllWeightBytes(const XComposer2& model);

}  // namespace ixc
