// What the files of one instruction set give to attention: plain structs and function pointers.
#pragma once

#include <stdint.h>

namespace ixc {

constexpr int kAttentionKeys = 64;  // positions in a block of keys and values
constexpr int kAttentionSpan = 8;   // blocks that are summed up before they join the rest

// How keys and values are held. Those of one byte have a scale for each position and head.
enum KvType { kKvF32, kKvF16, kKvI8 };

// A softmax on its way over the keys, for some rows: m, l and O of attention_rows.h.
struct AttentionSums {
  float* sums;     // [row][padded_dim]: O
  float* largest;  // [row]: m
  float* weight;   // [row]: l
};

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
  int64_t scales_offset;  // … and of kKvI8 to its scales: 64 of keys, then 64 of values
  KvType type;
  bool causal;
  int64_t first_position;  // of the first query, if causal
  int64_t num_keys;
  float scale;
  float* scratch;  // AttentionIsa::scratch_floats(task) floats, 64-byte aligned
};

// The spans of blocks are there so that a few rows can be split over keys: every span is summed
// from nothing and then folded into the sums of those before it, whether one thread walks them all
// or many take one each.
struct AttentionIsa {
  int64_t (*scratch_floats)(const AttentionTask& task);
  void (*run)(const AttentionTask& task);
  // The two halves of run() for a task of a few rows; null: run() only. The first leaves span
  // `span` in `to`, the second folds `count` spans in order and writes the task's output.
  void (*run_span)(const AttentionTask& task, int64_t span, const AttentionSums& to);
  void (*finish)(const AttentionTask& task, const AttentionSums* spans, int64_t count);
};

extern const AttentionIsa kAttentionScalar;
extern const AttentionIsa kAttentionAvx2;
extern const AttentionIsa kAttentionAvx512;

}  // namespace ixc
