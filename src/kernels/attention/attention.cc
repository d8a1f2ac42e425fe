#include "kernels/attention/attention.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "cpu/scratch.h"
#include "kernels/attention/attention_table.h"
#include "kernels/gemm/packed_matrix.h"

namespace ixc {

namespace {

static_assert(kAttentionKeys == kKeyBlock);

constexpr AttentionKernel kKernels[] = {
#define ATTENTION_KERNEL(name, isa, tile_rows, tile_cols, functions) \
  {#name, Isa::isa, tile_rows, tile_cols, &functions},
#include "kernels/attention/attention_kernels.inc"
#undef ATTENTION_KERNEL
};

void CheckShapes(const AttentionArgs& args, ConstMatrixView q, MatrixView out) {
  const KvShape& kv = args.kv;
  if (kv.num_kv_heads <= 0 || args.num_heads <= 0 || args.num_heads % kv.num_kv_heads != 0) {
    Fail("attention of {} query heads on {} KV heads: the first must be a multiple of the second",
         args.num_heads, kv.num_kv_heads);
  }
  const int64_t width = int64_t{args.num_heads} * kv.head_dim;
  if (q.cols != width || out.cols != width || q.rows != out.rows) {
    Fail("attention of q [{}, {}] into [{}, {}]: wanted {} heads of {}", q.rows, q.cols, out.rows,
         out.cols, args.num_heads, kv.head_dim);
  }
  const auto room = static_cast<int64_t>(args.blocks.size()) * kKeyBlock;
  const int64_t last = args.causal ? args.first_position + q.rows : 1;
  if (args.num_keys > room || args.num_keys < last || args.first_position < 0) {
    Fail("attention over {} keys: the blocks hold {}, and the last query sees {}", args.num_keys,
         room, last);
  }
}

// Query positions of one task, a divisor of the block. Up to 128 query rows (with their heads) keep
// the widening of keys and values small beside the products, and what they need stays in L2.
int TilePositions(int heads) {
  int positions = kKeyBlock;
  while (positions > 1 && positions * heads > 128) positions /= 2;
  return positions;
}

// Cuts [first, first + rows) at the multiples of `tile`, counted in absolute positions.
struct RowTiles {
  int64_t first, rows, tile;

  int64_t Count() const { return (first + rows + tile - 1) / tile - first / tile; }
  int64_t Begin(int64_t index) const {
    return std::clamp((first / tile + index) * tile - first, int64_t{0}, rows);
  }
};

}  // namespace

std::span<const AttentionKernel> AttentionKernels() { return kKernels; }

const AttentionKernel& ChooseAttention(Isa isa) {
  const AttentionKernel* best = &kKernels[0];
  for (const AttentionKernel& kernel : kKernels) {
    if (kernel.isa <= isa && kernel.isa > best->isa) best = &kernel;
  }
  return *best;
}

void Attention(const AttentionArgs& args, ConstMatrixView q, MatrixView out,
               const Compute& compute) {
  CheckShapes(args, q, out);
  if (q.rows == 0) return;
  const KvShape& kv = args.kv;
  const AttentionIsa& kernel = *ChooseAttention(compute.isa).isa_functions;
  AttentionTask common{};
  common.q_stride = q.stride;
  common.out_stride = out.stride;
  common.heads = args.num_heads / kv.num_kv_heads;
  common.head_dim = kv.head_dim;
  common.padded_dim = kv.PaddedDim();
  common.blocks = reinterpret_cast<const char* const*>(args.blocks.data());
  common.half = kv.dtype == DType::kF16;
  common.causal = args.causal;
  common.num_keys = args.num_keys;
  common.scale = args.scale;
  const RowTiles tiles{args.causal ? args.first_position : 0, q.rows, TilePositions(common.heads)};
  // Later tiles see more keys: they start first, so that the last ones to finish are short.
  const int64_t count = tiles.Count() * kv.num_kv_heads;
  compute.pool->ParallelFor(count, 1, [&](int64_t first, int64_t last) {
    for (int64_t index = first; index < last; ++index) {
      const int64_t tile = tiles.Count() - 1 - index / kv.num_kv_heads;
      const int64_t head = index % kv.num_kv_heads;
      const int64_t begin = tiles.Begin(tile);
      const int64_t column = head * common.heads * kv.head_dim;
      AttentionTask task = common;
      task.q = q.Row(begin) + column;
      task.out = out.Row(begin) + column;
      task.positions = static_cast<int>(tiles.Begin(tile + 1) - begin);
      task.first_position = args.first_position + begin;
      task.keys_offset = static_cast<int64_t>(kv.KeysOffset(static_cast<int>(head)));
      task.values_offset = static_cast<int64_t>(kv.ValuesOffset(static_cast<int>(head)));
      task.scratch = ThreadScratch(ScratchUse::kOwn, kernel.scratch_floats(task));
      kernel.run(task);
    }
  });
}

}  // namespace ixc
