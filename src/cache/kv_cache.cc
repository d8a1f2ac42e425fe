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

std::shared_ptr<AlignedBuffer> KvCache::CopyOfBlock(size_t index) const {
  auto copy = std::make_shared<AlignedBuffer>(block_bytes_ * layers_.size());
  std::memcpy(copy->data(), storage_[index]->data(), copy->size());
  return copy;
}

KvCache KvCache::Fork() const {
  KvCache fork(shape_, num_layers());
  fork.length_ = length_;
  const size_t full_blocks = static_cast<size_t>(length_ / kKeyBlock);
  for (size_t i = 0; i < full_blocks; ++i) fork.Append(storage_[i]);
  if (length_ % kKeyBlock != 0) {
    fork.Append(CopyOfBlock(full_blocks));
  }
  return fork;
}

void KvCache::Truncate(int64_t length) {
  const size_t full_blocks = static_cast<size_t>(length / kKeyBlock);
  std::shared_ptr<AlignedBuffer> partial;
  if (length % kKeyBlock != 0) {
    const bool is_shared = storage_[full_blocks].use_count() > 1;
    partial = is_shared ? CopyOfBlock(full_blocks) : storage_[full_blocks];
  }
  storage_.resize(full_blocks);
  for (auto& blocks : layers_) blocks.resize(full_blocks);
  if (partial != nullptr) Append(std::move(partial));
  length_ = length;
}

}  // namespace ixc
