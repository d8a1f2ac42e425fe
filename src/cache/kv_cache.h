// Keys and values of one sequence, in blocks of kKeyBlock positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cache/block_pool.h"
#include "kernels/attention/attention.h"

namespace ixc {

class KvCache {
 public:
  // Blocks come from `pool`, or, when it is null, from a pool of its own without a limit. One block
  // has the bytes of PoolBlockBytes().
  KvCache(const KvShape& shape, int num_layers, std::shared_ptr<BlockPool> pool = nullptr);

  KvCache(KvCache&&) noexcept = default;
  // The old blocks go before their pool does.
  KvCache& operator=(KvCache&& other) noexcept {
    storage_.clear();
    shape_ = other.shape_;
    block_bytes_ = other.block_bytes_;
    length_ = other.length_;
    pool_ = std::move(other.pool_);
    storage_ = std::move(other.storage_);
    layers_ = std::move(other.layers_);
    return *this;
  }

  // Of a block: all layers side by side.
  static size_t PoolBlockBytes(const KvShape& shape, int num_layers) {
    return shape.BlockBytes() * static_cast<size_t>(num_layers);
  }

  // Makes room for positions [0, num_positions). What is stored stays.
  void Reserve(int64_t num_positions);

  // A second sequence with the same past: full blocks are shared, the last one is copied. The
  // shared blocks are never written again, because positions are only ever appended.
  KvCache Fork() const;

  // Copies the blocks that others share.
  void Unshare();

  // Forgets the positions from `length` on. A block that somebody shares is copied before it can be
  // written again.
  void Truncate(int64_t length);

  // Goes on with a full block that holds the keys and values of the next kKeyBlock positions. The
  // length is a multiple of kKeyBlock, and there is no room reserved behind it.
  void Adopt(BlockRef block);
  // Goes on with the first `count` positions of a block, which is copied: the rest is written anew.
  // The length is a multiple of kKeyBlock, and there is no room reserved behind it.
  void AdoptCopy(const BlockRef& block, int64_t count);
  // A full block, for others to share, or to be replaced by one with the same contents.
  const BlockRef& Block(size_t index) const { return storage_[index]; }
  void ReplaceBlock(size_t index, BlockRef block);

  // Number of positions that hold keys and values.
  int64_t length() const { return length_; }
  void set_length(int64_t length) { length_ = length; }
  int64_t num_blocks() const { return static_cast<int64_t>(storage_.size()); }

  const KvShape& shape() const { return shape_; }
  int num_layers() const { return static_cast<int>(layers_.size()); }
  // Blocks of one layer, in order of position.
  std::span<std::byte* const> Blocks(int layer) const {
    return layers_[static_cast<size_t>(layer)];
  }

 private:
  void Append(BlockRef block);
  BlockRef CopyOf(const BlockRef& block) const;

  KvShape shape_;
  size_t block_bytes_;  // of one layer
  int64_t length_ = 0;
  std::shared_ptr<BlockPool> pool_;  // outlives storage_
  std::vector<BlockRef> storage_;
  std::vector<std::vector<std::byte*>> layers_;  // [layer][block], into storage_
};

}  // namespace ixc
