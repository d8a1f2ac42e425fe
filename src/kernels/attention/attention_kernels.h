// What the files of one instruction set give to attention: plain structs and function pointers.
#pragma once

#include <stdint.h>

namespace ixc {

constexpr int kAttentionKeys = 64;  // positions in a block of keys and values

// Neighbouring query positions against one KV head. The positions do not cross a multiple of 64,
// so all of them see the same number of blocks when attention is causal.
struct AttentionTask {
  const float* q;  // head h of position i at q + i * q_stride + h * head_dim
  float* out;      // likewise
  int64_t q_stride;
  int64_t out_stride;
  int positions;
  int heads;  // query heads that share this KV head
  int head_dim;
  int padded_dim;  // head_dim rounded up to 16
  const char* const* blocks;
  int64_t keys_offset;    // bytes from the start of a block to this head's key panels
  int64_t values_offset;  // … and to its value panels
  bool half;              // keys and values are F16, else F32
  bool causal;
  int64_t first_position;  // of the first query, if causal
  int64_t num_keys;
  float scale;
  float* scratch;  // AttentionIsa::scratch_floats(task) floats, 64-byte aligned
};

struct AttentionIsa {
  int64_t (*scratch_floats)(const AttentionTask& task);
  void (*run)(const AttentionTask& task);
};

extern const AttentionIsa kAttentionScalar;
extern const AttentionIsa kAttentionAvx2;
extern const AttentionIsa kAttentionAvx512;

}  // namespace ixc
