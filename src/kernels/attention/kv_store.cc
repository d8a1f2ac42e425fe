// Putting keys and values into their blocks. Conversion is by base/half.h: per layer and token this
// is a few thousand elements, far below one percent of the layer's products.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/half.h"
#include "kernels/attention/attention.h"
#include "kernels/gemm/packed_matrix.h"

namespace ixc {

namespace {

// `inverse` is one over the scale, for I8.
void StoreElement(DType dtype, float value, float inverse, std::byte* panels, int64_t index) {
  if (dtype == DType::kF32) {
    std::memcpy(panels + index * 4, &value, 4);
  } else if (dtype == DType::kF16) {
    const Half half = ToHalf(value);
    std::memcpy(panels + index * 2, &half, 2);
  } else {
    const float rounded = std::clamp(std::nearbyint(value * inverse), -127.0f, 127.0f);
    panels[index] = static_cast<std::byte>(static_cast<int8_t>(rounded));
  }
}

// Stores the scale of a head's values at one position and returns what they are multiplied with.
float StoreScale(const float* values, int64_t count, std::byte* scales, int64_t slot) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  const float scale = largest / 127.0f;
  std::memcpy(scales + slot * int64_t{sizeof scale}, &scale, sizeof scale);
  return scale > 0 ? 1.0f / scale : 0.0f;
}

// One head of one position.
struct Slot {
  const KvShape& shape;
  int head;
  std::byte* block;
  int64_t slot;  // position within the block

  void Store(const float* k, const float* v) const {
    std::byte* keys = block + shape.KeysOffset(head);
    std::byte* values = block + shape.ValuesOffset(head);
    float k_inverse = 0, v_inverse = 0;
    if (shape.dtype == DType::kI8) {
      std::byte* scales = block + shape.ScalesOffset(head);
      k_inverse = StoreScale(k, shape.head_dim, scales, slot);
      v_inverse = StoreScale(v, shape.head_dim, scales, kKeyBlock + slot);
    }
    for (int64_t d = 0; d < shape.head_dim; ++d) {
      StoreElement(shape.dtype, k[d], k_inverse, keys,
                   (slot / 16 * shape.head_dim + d) * 16 + slot % 16);
      StoreElement(shape.dtype, v[d], v_inverse, values, (d / 16 * kKeyBlock + slot) * 16 + d % 16);
    }
  }
};

}  // namespace

int KvShape::PaddedDim() const { return (head_dim + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

size_t KvShape::KeysOffset(int head) const {
  return static_cast<size_t>(head) * kKeyBlock * static_cast<size_t>(head_dim) * SizeOf(dtype);
}

size_t KvShape::ValuesOffset(int head) const {
  return KeysOffset(num_kv_heads) +
         static_cast<size_t>(head) * kKeyBlock * static_cast<size_t>(PaddedDim()) * SizeOf(dtype);
}

size_t KvShape::ScalesOffset(int head) const {
  return ValuesOffset(num_kv_heads) + static_cast<size_t>(head) * 2 * kKeyBlock * sizeof(float);
}

size_t KvShape::BlockBytes() const {
  return dtype == DType::kI8 ? ScalesOffset(num_kv_heads) : ValuesOffset(num_kv_heads);
}

void StoreKeysValues(const KvShape& shape, ConstMatrixView k, ConstMatrixView v,
                     int64_t first_position, std::span<std::byte* const> blocks,
                     const Compute& compute) {
  const int64_t width = int64_t{shape.num_kv_heads} * shape.head_dim;
  if (shape.dtype != DType::kF32 && shape.dtype != DType::kF16 && shape.dtype != DType::kI8) {
    Fail("a KV cache of {}; wanted F32, F16 or I8", Name(shape.dtype));
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
        const Slot slot{shape, static_cast<int>(head),
                        blocks[static_cast<size_t>(position / kKeyBlock)], position % kKeyBlock};
        slot.Store(k.Row(row) + head * shape.head_dim, v.Row(row) + head * shape.head_dim);
      }
    }
  });
}

}  // namespace ixc
