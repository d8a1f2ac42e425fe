// The bytes of packed weights: their own memory, or a part of a mapped file.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "cpu/aligned_buffer.h"

namespace ixc {

class WeightBytes {
 public:
  WeightBytes() = default;
  WeightBytes(AlignedBuffer own) : own_(std::move(own)) {}  // NOLINT(google-explicit-constructor)
  // Bytes that `owner` keeps alive.
  WeightBytes(std::shared_ptr<const void> owner, const std::byte* data, size_t size)
      : owner_(std::move(owner)), mapped_(data), mapped_size_(size) {}

  const std::byte* data() const { return owner_ != nullptr ? mapped_ : own_.data(); }
  size_t size() const { return owner_ != nullptr ? mapped_size_ : own_.size(); }
  // Mapped bytes are read-only; writing to them ends the program.
  std::byte* data() { return const_cast<std::byte*>(std::as_const(*this).data()); }

 private:
  AlignedBuffer own_;
  std::shared_ptr<const void> owner_;  // null: own_
  const std::byte* mapped_ = nullptr;
  size_t mapped_size_ = 0;
};

}  // namespace ixc
