// Attention by the textbook: all scores of one query, their softmax, the weighted sum of values.
// It shares nothing with the blocked kernels, since the tests hold those against it.
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "kernels/attention/attention_kernels.h"

namespace ixc {

namespace {

constexpr int kPanel = 16;

template <typename T>
T ReadAt(const char* from, int64_t index) {
  T value;
  std::memcpy(&value, from + index * int64_t{sizeof(T)}, sizeof(T));
  return value;
}

// `scales` is 0 for keys and 1 for values.
float LoadElement(const AttentionTask& task, int64_t key, int64_t offset, int64_t index,
                  int scales) {
  const char* block = task.blocks[key / kAttentionKeys];
  if (task.type == kKvF32) return ReadAt<float>(block + offset, index);
  if (task.type == kKvF16) return ToFloat(ReadAt<Half>(block + offset, index));
  const int64_t slot = scales * kAttentionKeys + key % kAttentionKeys;
  return static_cast<float>(ReadAt<int8_t>(block + offset, index)) *
         ReadAt<float>(block + task.scales_offset, slot);
}

float KeyElement(const AttentionTask& task, int64_t key, int64_t dim) {
  const int64_t slot = key % kAttentionKeys;
  const int64_t panel = slot / kPanel;
  const int64_t index = (panel * task.head_dim + dim) * kPanel + slot % kPanel;
  return LoadElement(task, key, task.keys_offset, index, 0);
}

float ValueElement(const AttentionTask& task, int64_t key, int64_t dim) {
  const int64_t slot = key % kAttentionKeys;
  const int64_t index = (dim / kPanel * kAttentionKeys + slot) * kPanel + dim % kPanel;
  return LoadElement(task, key, task.values_offset, index, 1);
}

void AttendOne(const AttentionTask& task, const float* q, int64_t num_keys, float* out) {
  float* scores = task.scratch;
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t key = 0; key < num_keys; ++key) {
    float dot = 0.0f;
    for (int64_t d = 0; d < task.head_dim; ++d) dot += q[d] * KeyElement(task, key, d);
    scores[key] = dot * task.scale;
    largest = std::max(largest, scores[key]);
  }
  float sum = 0.0f;
  for (int64_t d = 0; d < task.head_dim; ++d) out[d] = 0.0f;
  for (int64_t key = 0; key < num_keys; ++key) {
    const float weight = std::exp(scores[key] - largest);
    sum += weight;
    for (int64_t d = 0; d < task.head_dim; ++d) out[d] += weight * ValueElement(task, key, d);
  }
  for (int64_t d = 0; d < task.head_dim; ++d) out[d] /= sum;
}

void AttendScalar(const AttentionTask& task) {
  for (int i = 0; i < task.positions; ++i) {
    const int64_t num_keys = task.causal ? task.first_position + i + 1 : task.num_keys;
    for (int h = 0; h < task.heads; ++h) {
      AttendOne(task, task.q + i * task.q_stride + h * task.head_dim, num_keys,
                task.out + i * task.out_stride + h * task.head_dim);
    }
  }
}

}  // namespace

const AttentionIsa kAttentionScalar = {
    [](const AttentionTask& task) { return task.num_keys; },
    AttendScalar,
    nullptr,
    nullptr,
};

}  // namespace ixc
