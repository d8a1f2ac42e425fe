// Keys and values of one sequence, in blocks of kKeyBlock positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cpu/aligned_buffer.h"
#include "kernels/attention/attention.h"

namespace ixc {

class KvCache {
 public:
  KvCache(const KvShape& shape, int num_layers);

  // Makes room for positions [0, num_positions). What is stored stays.
  void Reserve(int64_t num_positions);

  // A second sequence with the same past: full blocks are shared, the last one is copied. The
  // shared blocks are never written again, because positions are only ever appended.
  KvCache Fork() const;

  // Forgets the positions from `length` on. A block that a fork shares is copied before it can be
  // written again.
  void Truncate(int64_t length);

  // Number of positions that hold keys and values.
  int64_t length() const { return length_; }
  void set_length(int64_t length) { length_ = length; }

  const KvShape& shape() const { return shape_; }
  int num_layers() const { return static_cast<int>(layers_.size()); }
  // Blocks of one layer, in order of position.
  std::span<std::byte* const> Blocks(int layer) const {
    return layers_[static_cast<size_t>(layer)];
  }

 private:
  void Append(std::shared_ptr<AlignedBuffer> block);
  std::shared_ptr<AlignedBuffer> CopyOfBlock(size_t index) const;

  KvShape shape_;
  size_t block_bytes_;
  int64_t length_ = 0;
  std::vector<std::shared_ptr<AlignedBuffer>> storage_;  // one a block: all layers side by side
  std::vector<std::vector<std::byte*>> layers_;          // [layer][block], into storage_
};

}  // namespace ixc
