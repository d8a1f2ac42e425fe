#include "cache/block_pool.h"

#include "base/error.h"

namespace ixc {

BlockRef::BlockRef(const BlockRef& other) : pool_(other.pool_), index_(other.index_) {
  if (pool_ != nullptr) pool_->AddReference(index_, 1);
}

BlockRef::~BlockRef() {
  if (pool_ != nullptr) pool_->AddReference(index_, -1);
}

std::byte* BlockRef::data() const { return pool_->blocks_[index_].memory.data(); }

int64_t BlockRef::use_count() const { return pool_->blocks_[index_].references; }

BlockPool::BlockPool(size_t block_bytes, int64_t max_blocks)
    : block_bytes_(block_bytes), max_blocks_(max_blocks) {}

BlockRef BlockPool::Allocate() {
  if (free_.empty() && num_free() > 0) {
    blocks_.push_back({AlignedBuffer(block_bytes_)});
    free_.reserve(blocks_.capacity());  // giving a block back never fails
    free_.push_back(blocks_.size() - 1);
  }
  if (free_.empty() && (!evict_ || !evict_())) {
    Fail("all {} blocks of keys and values are in use", max_blocks_);
  }
  const size_t index = free_.back();
  free_.pop_back();
  ++num_used_;
  blocks_[index].references = 1;
  return BlockRef(this, index);
}

void BlockPool::SetCached(const BlockRef& ref, bool is_cached) {
  Block& block = blocks_[ref.index_];
  num_idle_ -= block.is_idle();
  block.is_cached = is_cached;
  num_idle_ += block.is_idle();
}

void BlockPool::AddReference(size_t index, int64_t change) {
  Block& block = blocks_[index];
  num_idle_ -= block.is_idle();
  block.references += change;
  num_idle_ += block.is_idle();
  if (block.references > 0) return;
  block.is_cached = false;
  --num_used_;
  free_.push_back(index);
}

}  // namespace ixc
