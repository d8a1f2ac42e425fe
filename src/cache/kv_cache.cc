#include "cache/kv_cache.h"

namespace ixc {

KvCache::KvCache(const KvShape& shape, int num_layers)
    : shape_(shape), block_bytes_(shape.BlockBytes()), layers_(static_cast<size_t>(num_layers)) {}

void KvCache::Reserve(int64_t num_positions) {
  const size_t wanted = static_cast<size_t>((num_positions + kKeyBlock - 1) / kKeyBlock);
  while (storage_.size() < wanted) {
    AlignedBuffer& block = storage_.emplace_back(block_bytes_ * layers_.size());
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      layers_[layer].push_back(block.data() + layer * block_bytes_);
    }
  }
}

}  // namespace ixc
