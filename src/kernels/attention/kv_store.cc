// Putting keys and values into their blocks. Conversion is by base/half.h: per layer and token this
// is a few thousand elements, far below one percent of the layer's products.
#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/half.h"
#include "kernels/attention/attention.h"
#include "kernels/gemm/packed_matrix.h"

namespace ixc {

namespace {

void StoreElement(DType dtype, float value, std::byte* panels, int64_t index) {
  if (dtype == DType::kF32) {
    std::memcpy(panels + index * 4, &value, 4);
  } else {
    const Half half = ToHalf(value);
    std::memcpy(panels + index * 2, &half, 2);
  }
}

}  // namespace

int KvShape::PaddedDim() const { return (head_dim + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

size_t KvShape::KeysOffset(int head) const {
  return static_cast<size_t>(head) * kKeyBlock * static_cast<size_t>(head_dim) * SizeOf(dtype);
}

size_t KvShape::ValuesOffset(int head) const {
  return KeysOffset(num_kv_heads) +
         static_cast<size_t>(head) * kKeyBlock * static_cast<size_t>(PaddedDim()) * SizeOf(dtype);
}

size_t KvShape::BlockBytes() const { return ValuesOffset(num_kv_heads); }

void StoreKeysValues(const KvShape& shape, ConstMatrixView k, ConstMatrixView v,
                     int64_t first_position, std::span<std::byte* const> blocks,
                     const Compute& compute) {
  const int64_t width = int64_t{shape.num_kv_heads} * shape.head_dim;
  if (shape.dtype != DType::kF32 && shape.dtype != DType::kF16) {
    Fail("a KV cache of {}; wanted F32 or F16", Name(shape.dtype));
  }
  if (k.cols != width || v.cols != width || k.rows != v.rows) {
    Fail("keys [{}, {}] and values [{}, {}]: wanted {} heads of {}", k.rows, k.cols, v.rows, v.cols,
         shape.num_kv_heads, shape.head_dim);
  }
  const int64_t end = first_position + k.rows;
  if (first_position < 0 || end > static_cast<int64_t>(blocks.size()) * kKeyBlock) {
    Fail("keys for positions {} to {}: there are blocks for {}", first_position, end,
         blocks.size() * kKeyBlock);
  }
  for (int64_t block = (first_position + kKeyBlock - 1) / kKeyBlock; block * kKeyBlock < end;
       ++block) {
    std::memset(blocks[static_cast<size_t>(block)], 0, shape.BlockBytes());
  }
  compute.pool->ParallelFor(shape.num_kv_heads, 1, [&](int64_t first, int64_t last) {
    for (int64_t head = first; head < last; ++head) {
      for (int64_t row = 0; row < k.rows; ++row) {
        const int64_t position = first_position + row;
        const int64_t slot = position % kKeyBlock;
        std::byte* block = blocks[static_cast<size_t>(position / kKeyBlock)];
        std::byte* keys = block + shape.KeysOffset(static_cast<int>(head));
        std::byte* values = block + shape.ValuesOffset(static_cast<int>(head));
        const float* from_k = k.Row(row) + head * shape.head_dim;
        const float* from_v = v.Row(row) + head * shape.head_dim;
        for (int64_t d = 0; d < shape.head_dim; ++d) {
          StoreElement(shape.dtype, from_k[d], keys,
                       (slot / 16 * shape.head_dim + d) * 16 + slot % 16);
          StoreElement(shape.dtype, from_v[d], values, (d / 16 * kKeyBlock + slot) * 16 + d % 16);
        }
      }
    }
  });
}

}  // namespace ixc
