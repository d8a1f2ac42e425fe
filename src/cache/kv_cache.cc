#include "cache/kv_cache.h"

#include <cstring>
#include <utility>

namespace ixc {

KvCache::KvCache(const KvShape& shape, int num_layers, std::shared_ptr<BlockPool> pool)
    : shape_(shape),
      block_bytes_(shape.BlockBytes()),
      pool_(std::move(pool)),
      layers_(static_cast<size_t>(num_layers)) {
  if (pool_ == nullptr) pool_ = std::make_shared<BlockPool>(PoolBlockBytes(shape, num_layers));
}

void KvCache::Append(BlockRef block) {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].push_back(block.data() + layer * block_bytes_);
  }
  storage_.push_back(std::move(block));
}

void KvCache::Reserve(int64_t num_positions) {
  const size_t wanted = static_cast<size_t>(NumKeyBlocks(num_positions));
  while (storage_.size() < wanted) Append(pool_->Allocate());
}

void KvCache::Adopt(BlockRef block) {
  Append(std::move(block));
  length_ += kKeyBlock;
}

void KvCache::AdoptCopy(const BlockRef& block, int64_t count) {
  Append(CopyOf(block));
  length_ += count;
}

void KvCache::ReplaceBlock(size_t index, BlockRef block) {
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer][index] = block.data() + layer * block_bytes_;
  }
  storage_[index] = std::move(block);
}

BlockRef KvCache::CopyOf(const BlockRef& block) const {
  BlockRef copy = pool_->Allocate();
  std::memcpy(copy.data(), block.data(), pool_->block_bytes());
  return copy;
}

KvCache KvCache::Fork() const {
  KvCache fork(shape_, num_layers(), pool_);
  fork.length_ = length_;
  const size_t full_blocks = static_cast<size_t>(length_ / kKeyBlock);
  for (size_t i = 0; i < full_blocks; ++i) fork.Append(storage_[i]);
  if (length_ % kKeyBlock != 0) {
    fork.Append(CopyOf(storage_[full_blocks]));
  }
  return fork;
}

void KvCache::Unshare() {
  for (size_t index = 0; index < storage_.size(); ++index) {
    if (storage_[index].use_count() > 1) ReplaceBlock(index, CopyOf(storage_[index]));
  }
}

void KvCache::Truncate(int64_t length) {
  const size_t full_blocks = static_cast<size_t>(length / kKeyBlock);
  BlockRef partial;
  if (length % kKeyBlock != 0) {
    const bool is_shared = storage_[full_blocks].use_count() > 1;
    partial = is_shared ? CopyOf(storage_[full_blocks]) : storage_[full_blocks];
  }
  storage_.resize(full_blocks);
  for (auto& blocks : layers_) blocks.resize(full_blocks);
  if (partial) Append(std::move(partial));
  length_ = length;
}

}  // namespace ixc
