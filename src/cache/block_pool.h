// A budget of equal blocks of memory for keys and values: one holds kKeyBlock positions of all
// layers. Blocks are allocated when they are first needed, counted by reference, and used again.
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "cpu/aligned_buffer.h"

namespace ixc {

class BlockPool;

// A share in a block. The last one to go gives the block back; the pool must outlive it.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other);
  BlockRef(BlockRef&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(index_, other.index_);
    return *this;
  }
  ~BlockRef();

  explicit operator bool() const { return pool_ != nullptr; }
  bool operator==(const BlockRef&) const = default;
  std::byte* data() const;
  int64_t use_count() const;

 private:
  friend class BlockPool;
  BlockRef(BlockPool* pool, size_t index) : pool_(pool), index_(index) {}

  BlockPool* pool_ = nullptr;
  size_t index_ = 0;
};

class BlockPool {
 public:
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

  explicit BlockPool(size_t block_bytes, int64_t max_blocks = kNoLimit);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  size_t block_bytes() const { return block_bytes_; }
  int64_t max_blocks() const { return max_blocks_; }
  int64_t num_used() const { return num_used_; }
  int64_t num_free() const { return max_blocks_ - num_used_; }
  // Of the used ones: held by a cache and by nobody else, so that they could be had.
  int64_t num_idle() const { return num_idle_; }

  // Called when no block is free; gives one back that it holds for later, or returns false.
  void SetEvictor(std::function<bool()> evict) { evict_ = std::move(evict); }

  // A block that nobody else has, contents unspecified. Throws when all are in use.
  BlockRef Allocate();
  // Says that one of the shares in a block is a cache's, or that it is not any more.
  void SetCached(const BlockRef& block, bool is_cached);

 private:
  friend class BlockRef;
  struct Block {
    AlignedBuffer memory;
    int64_t references = 0;
    bool is_cached = false;

    bool is_idle() const { return is_cached && references == 1; }
  };
  void AddReference(size_t index, int64_t change);

  size_t block_bytes_;
  int64_t max_blocks_;
  int64_t num_used_ = 0;
  int64_t num_idle_ = 0;
  std::vector<Block> blocks_;
  std::vector<size_t> free_;  // of blocks_
  std::function<bool()> evict_;
};

}  // namespace ixc
