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
#define ATTENTION_KERNEL(name, isa, min_rows, tile_rows, tile_cols, functions) \
  {#name, Isa::isa, min_rows, tile_rows, tile_cols, &functions},
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

KvType TypeOf(DType dtype) {
  if (dtype == DType::kI8) return kKvI8;
  return dtype == DType::kF16 ? kKvF16 : kKvF32;
}

class Attender {
 public:
  Attender(const AttentionArgs& args, ConstMatrixView q, MatrixView out, const Compute& compute)
      : args_(args),
        q_(q),
        out_(out),
        compute_(compute),
        kernel_(*ChooseAttention(compute.isa, q.rows * (args.num_heads / args.kv.num_kv_heads))
                     .isa_functions),
        tiles_{args.causal ? args.first_position : 0, q.rows,
               TilePositions(args.num_heads / args.kv.num_kv_heads)} {}

  void Run() const {
    // Few rows behind many keys, a decode step: as many tasks as spans. The bits are the same.
    const bool few_tasks = TasksOfWholeRows() < int64_t{8} * compute_.pool->num_threads();
    if (kernel_.run_span != nullptr && tiles_.Count() == 1 && few_tasks && NumSpans() > 1) {
      RunSpans();
    } else {
      RunWhole();
    }
  }

 private:
  int64_t TasksOfWholeRows() const { return tiles_.Count() * args_.kv.num_kv_heads; }
  int64_t NumSpans() const {
    const int64_t keys = args_.causal ? args_.first_position + q_.rows : args_.num_keys;
    constexpr int64_t kSpanKeys = int64_t{kKeyBlock} * kAttentionSpan;
    return (keys + kSpanKeys - 1) / kSpanKeys;
  }

  AttentionTask TaskOf(int64_t tile, int64_t head) const {
    const KvShape& kv = args_.kv;
    AttentionTask task{};
    task.heads = args_.num_heads / kv.num_kv_heads;
    task.head_dim = kv.head_dim;
    task.padded_dim = kv.PaddedDim();
    const int64_t begin = tiles_.Begin(tile);
    const int64_t column = head * task.heads * kv.head_dim;
    task.q = q_.Row(begin) + column;
    task.out = out_.Row(begin) + column;
    task.q_stride = q_.stride;
    task.out_stride = out_.stride;
    task.positions = static_cast<int>(tiles_.Begin(tile + 1) - begin);
    task.blocks = reinterpret_cast<const char* const*>(args_.blocks.data());
    task.keys_offset = static_cast<int64_t>(kv.KeysOffset(static_cast<int>(head)));
    task.values_offset = static_cast<int64_t>(kv.ValuesOffset(static_cast<int>(head)));
    task.scales_offset = static_cast<int64_t>(kv.ScalesOffset(static_cast<int>(head)));
    task.type = TypeOf(kv.dtype);
    task.causal = args_.causal;
    task.first_position = args_.first_position + begin;
    task.num_keys = args_.num_keys;
    task.scale = args_.scale;
    task.scratch = ThreadScratch(ScratchUse::kOwn, kernel_.scratch_floats(task));
    return task;
  }

  // Later tiles see more keys: they start first, so that the last ones to finish are short.
  void RunWhole() const {
    const int64_t heads = args_.kv.num_kv_heads;
    compute_.pool->ParallelFor(TasksOfWholeRows(), 1, [&](int64_t first, int64_t last) {
      for (int64_t index = first; index < last; ++index) {
        kernel_.run(TaskOf(tiles_.Count() - 1 - index / heads, index % heads));
      }
    });
  }

  void RunSpans() const {
    const int64_t heads = args_.kv.num_kv_heads;
    const int64_t rows = q_.rows * (args_.num_heads / heads);
    const int64_t num_spans = NumSpans();
    const int64_t floats = rows * (args_.kv.PaddedDim() + 2);
    const int64_t slot = (floats + 15) / 16 * 16;  // on its own cache lines
    float* memory = ThreadScratch(ScratchUse::kShared, heads * num_spans * slot);
    std::vector<AttentionSums> sums;
    for (int64_t index = 0; index < heads * num_spans; ++index) {
      float* at = memory + index * slot;
      float* behind = at + rows * args_.kv.PaddedDim();
      sums.push_back({at, behind, behind + rows});
    }
    compute_.pool->ParallelFor(heads * num_spans, 1, [&](int64_t first, int64_t last) {
      for (int64_t index = first; index < last; ++index) {
        const int64_t span = index % num_spans;
        kernel_.run_span(TaskOf(0, index / num_spans), span, sums[static_cast<size_t>(index)]);
      }
    });
    compute_.pool->ParallelFor(heads, 1, [&](int64_t first, int64_t last) {
      for (int64_t head = first; head < last; ++head) {
        kernel_.finish(TaskOf(0, head), &sums[static_cast<size_t>(head * num_spans)], num_spans);
      }
    });
  }

  const AttentionArgs& args_;
  ConstMatrixView q_;
  MatrixView out_;
  const Compute& compute_;
  const AttentionIsa& kernel_;
  const RowTiles tiles_;
};

}  // namespace

std::span<const AttentionKernel> AttentionKernels() { return kKernels; }

const AttentionKernel& ChooseAttention(Isa isa, int64_t rows) {
  const AttentionKernel* best = &kKernels[0];
  for (const AttentionKernel& kernel : kKernels) {
    const bool fits = kernel.isa <= isa && kernel.min_rows <= rows;
    if (fits && kernel.isa > best->isa) best = &kernel;
  }
  return *best;
}

void Attention(const AttentionArgs& args, ConstMatrixView q, MatrixView out,
               const Compute& compute) {
  CheckShapes(args, q, out);
  if (q.rows == 0) return;
  Attender(args, q, out, compute).Run();
}

}  // namespace ixc
