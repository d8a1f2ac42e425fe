#include "cpu/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>

#include "base/error.h"

namespace ixc {

namespace {
constexpr size_t kCacheLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) {
  if (bytes == 0) return;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc)
  void* memory = rounded >= bytes ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (memory == nullptr) {
    Fail("out of memory: wanted {} MB more; use a smaller context or model, or free memory",
         (bytes >> 20) + 1);
  }
  if (alignment == kHugePage) ::madvise(memory, rounded, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(memory);
  size_ = bytes;
}

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

}  // namespace ixc
