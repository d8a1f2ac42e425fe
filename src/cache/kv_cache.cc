#include "cache/kv_cache.h"

#include <cstring>

namespace ixc {

KvCache::KvCache(const KvShape& shape, int num_layers)
    : shape_(shape), block_bytes_(shape.BlockBytes()), layers_(static_cast<size_t>(num_layers)) {}

void KvCache::Append(std::shared_ptr<AlignedBuffer> block) {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].push_back(block->data() + layer * block_bytes_);
  }
  storage_.push_back(std::move(block));
}

void KvCache::Reserve(int64_t num_positions) {
  const size_t wanted = static_cast<size_t>((num_positions + kKeyBlock - 1) / kKeyBlock);
  while (storage_.size() < wanted) {
    Append(std::make_shared<AlignedBuffer>(block_bytes_ * layers_.size()));
  }
}

KvCache KvCache::Fork() const {
  KvCache fork(shape_, num_layers());
  fork.length_ = length_;
  const size_t full_blocks = static_cast<size_t>(length_ / kKeyBlock);
  for (size_t i = 0; i < full_blocks; ++i) fork.Append(storage_[i]);
  if (length_ % kKeyBlock != 0) {
    auto copy = std::make_shared<AlignedBuffer>(block_bytes_ * layers_.size());
    std::memcpy(copy->data(), storage_[full_blocks]->data(), copy->size());
    fork.Append(std::move(copy));
  }
  return fork;
}

}  // namespace ixc
