// Attention by blocks of keys with a streaming softmax: no score matrix is ever stored.
//
//   out[i, h] = sum_j softmax_j(scale * q[i, h] . k[j, g(h)]) v[j, g(h)],   g(h) = h / (heads / kv)
//
// Keys and values live in blocks of kKeyBlock positions, packed so that both products are the
// 16-wide panel product of gemm.h (one block holds every KV head of one layer):
//
//   key panels    [kv head][position / 16][head_dim][16]        k = dimension, n = position
//   value panels  [kv head][dimension / 16][kKeyBlock][16]      k = position,  n = dimension
//
// head_dim is padded with zeros to a multiple of 16 on the value side. The reduction runs over
// blocks of absolute key positions in ascending order whatever the number of query rows, and every
// 8 blocks it starts anew and adds what came out to what was there, so that prefill in any
// chunking, a decode step split over keys and a cached prefix all give the same bits.
//
// Keys and values of one byte (I8) have a scale for each position and head, the largest magnitude
// over 127, rounded to nearest; a block ends with them:
//
//   scales        [kv head][of keys, of values][kKeyBlock], float32
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

constexpr int kKeyBlock = 64;

// Blocks that hold so many positions.
constexpr int64_t NumKeyBlocks(int64_t positions) {
  return (positions + kKeyBlock - 1) / kKeyBlock;
}

// What one block holds. dtype is F32, F16 or I8.
struct KvShape {
  int num_kv_heads = 0;
  int head_dim = 0;
  DType dtype = DType::kF32;

  size_t BlockBytes() const;
  // Where the panels of one KV head start, in bytes from the start of the block.
  size_t KeysOffset(int head) const;
  size_t ValuesOffset(int head) const;
  size_t ScalesOffset(int head) const;  // I8
  int PaddedDim() const;                // head_dim rounded up to 16
};

// Stores k and v, both [rows, num_kv_heads * head_dim], at positions first_position …. Block b of
// the span holds positions [64 b, 64 b + 64); a block that is entered at its first position is
// zeroed first.
void StoreKeysValues(const KvShape& shape, ConstMatrixView k, ConstMatrixView v,
                     int64_t first_position, std::span<std::byte* const> blocks,
                     const Compute& compute);

struct AttentionArgs {
  KvShape kv;
  std::span<std::byte* const> blocks;
  int num_heads = 0;           // query heads, a multiple of kv.num_kv_heads
  int64_t first_position = 0;  // of the first query row; used when causal
  int64_t num_keys = 0;        // keys 0 … num_keys - 1 exist
  bool causal = true;          // row i sees keys 0 … first_position + i, else all
  float scale = 1.0f;
};

// q and out are [rows, num_heads * head_dim], heads side by side. out may not overlap q.
void Attention(const AttentionArgs& args, ConstMatrixView q, MatrixView out,
               const Compute& compute);

// The rows of one sequence among those of several.
struct AttentionCall {
  AttentionArgs args;
  ConstMatrixView q;
  MatrixView out;
};

// The same for several sequences at once, whose work is shared out together: one row each is enough
// to keep all threads busy. Calls with many rows are best put first. The bits are those of a call
// alone.
void Attention(std::span<const AttentionCall> calls, const Compute& compute);

}  // namespace ixc
