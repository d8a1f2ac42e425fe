#include "model/decoder_layout.h"

namespace ixc {

DecoderConfig DecoderConfigOf(const ModelConfig& config) {
  DecoderConfig decoder;
  decoder.hidden_size = config.hidden_size;
  decoder.intermediate_size = config.intermediate_size;
  decoder.vocab_size = config.vocab_size;
  decoder.num_heads = static_cast<int>(config.num_heads);
  decoder.num_kv_heads = static_cast<int>(config.num_kv_heads);
  decoder.head_dim = static_cast<int>(config.head_dim);
  decoder.rms_norm_eps = static_cast<float>(config.rms_norm_eps);
  decoder.rope.theta = config.rope_theta;
  decoder.rope.head_dim = decoder.head_dim;
  decoder.rope.scaling = config.rope_scaling;
  decoder.rope.max_position_embeddings = config.max_position_embeddings;
  return decoder;
}

std::vector<int64_t> QkvRowOrder(const ModelConfig& config) {
  const int64_t dim = config.head_dim;
  const int64_t queries_per_group = config.num_heads / config.num_kv_heads;
  const int64_t group_rows = (queries_per_group + 2) * dim;
  std::vector<int64_t> order;
  const auto append_head = [&](int64_t group, int64_t head_in_group) {
    for (int64_t d = 0; d < dim; ++d) order.push_back(group * group_rows + head_in_group * dim + d);
  };
  for (int64_t head = 0; head < config.num_heads; ++head) {
    append_head(head / queries_per_group, head % queries_per_group);
  }
  for (int64_t kv_part : {queries_per_group, queries_per_group + 1}) {
    for (int64_t group = 0; group < config.num_kv_heads; ++group) append_head(group, kv_part);
  }
  return order;
}

}  // namespace ixc
