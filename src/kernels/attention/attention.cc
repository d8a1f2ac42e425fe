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

// The tasks of one call: every tile of rows against every KV head, or, split over keys, all rows
// against every KV head and span.
class Attender {
 public:
  Attender(const AttentionCall& call, const Compute& compute)
      : args_(call.args),
        q_(call.q),
        out_(call.out),
        kernel_(*ChooseAttention(compute.isa, q_.rows * (args_.num_heads / args_.kv.num_kv_heads))
                     .isa_functions),
        tiles_{args_.causal ? args_.first_position : 0, q_.rows,
               TilePositions(args_.num_heads / args_.kv.num_kv_heads)} {}

  int64_t NumTasks() const {
    return split_ ? args_.kv.num_kv_heads * NumSpans() : tiles_.Count() * args_.kv.num_kv_heads;
  }
  void RunTask(int64_t index) const {
    const int64_t heads = args_.kv.num_kv_heads;
    if (split_) {
      const int64_t num_spans = NumSpans();
      kernel_.run_span(TaskOf(0, index / num_spans), index % num_spans, SumsOf(index));
    } else {
      // Later tiles see more keys: they start first, so that the last ones to finish are short.
      kernel_.run(TaskOf(tiles_.Count() - 1 - index / heads, index % heads));
    }
  }

  bool CanSplit() const {
    return kernel_.run_span != nullptr && tiles_.Count() == 1 && NumSpans() > 1;
  }
  void Split() { split_ = true; }
  // Floats that the spans leave behind, and where they are.
  int64_t MemoryFloats() const { return split_ ? NumTasks() * SlotFloats() : 0; }
  void SetMemory(float* memory) { memory_ = memory; }
  // What is left to do once all tasks have run.
  int64_t NumFinishTasks() const { return split_ ? args_.kv.num_kv_heads : 0; }
  void RunFinishTask(int64_t head) const {
    const int64_t num_spans = NumSpans();
    std::vector<AttentionSums> sums;
    for (int64_t span = 0; span < num_spans; ++span)
      sums.push_back(SumsOf(head * num_spans + span));
    kernel_.finish(TaskOf(0, head), sums.data(), num_spans);
  }

 private:
  int64_t NumSpans() const {
    const int64_t keys = args_.causal ? args_.first_position + q_.rows : args_.num_keys;
    constexpr int64_t kSpanKeys = int64_t{kKeyBlock} * kAttentionSpan;
    return (keys + kSpanKeys - 1) / kSpanKeys;
  }

  int64_t RowsOfHead() const { return q_.rows * (args_.num_heads / args_.kv.num_kv_heads); }
  int64_t SlotFloats() const {
    const int64_t floats = RowsOfHead() * (args_.kv.PaddedDim() + 2);
    return (floats + 15) / 16 * 16;  // on its own cache lines
  }
  AttentionSums SumsOf(int64_t slot) const {
    float* at = memory_ + slot * SlotFloats();
    float* behind = at + RowsOfHead() * args_.kv.PaddedDim();
    return {at, behind, behind + RowsOfHead()};
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

  AttentionArgs args_;
  ConstMatrixView q_;
  MatrixView out_;
  const AttentionIsa& kernel_;
  RowTiles tiles_;
  bool split_ = false;
  float* memory_ = nullptr;
};

// Runs `run(call, task)` for tasks 0 … count(call) - 1 of every call, shared out together.
template <typename Count, typename Run>
void RunTasks(const std::vector<Attender>& calls, const Count& count, const Run& run,
              ThreadPool& pool) {
  std::vector<int64_t> ends;  // of each call's tasks, counted through
  int64_t end = 0;
  for (const Attender& call : calls) ends.push_back(end += count(call));
  pool.ParallelFor(end, 1, [&](int64_t first, int64_t last) {
    for (int64_t index = first; index < last; ++index) {
      const auto call = std::upper_bound(ends.begin(), ends.end(), index) - ends.begin();
      const int64_t begin = call == 0 ? 0 : ends[static_cast<size_t>(call - 1)];
      run(calls[static_cast<size_t>(call)], index - begin);
    }
  });
}

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
  const AttentionCall call{args, q, out};
  Attention(std::span(&call, 1), compute);
}

void Attention(std::span<const AttentionCall> calls, const Compute& compute) {
  std::vector<Attender> attenders;
  int64_t num_tasks = 0;
  for (const AttentionCall& call : calls) {
    CheckShapes(call.args, call.q, call.out);
    if (call.q.rows == 0) continue;
    num_tasks += attenders.emplace_back(call, compute).NumTasks();
  }
  // Few rows behind many keys, decode steps: as many tasks as spans. The bits are the same.
  int64_t floats = 0;
  if (num_tasks < int64_t{8} * compute.pool->num_threads()) {
    for (Attender& call : attenders) {
      if (call.CanSplit()) call.Split();
      floats += call.MemoryFloats();
    }
    float* memory = floats > 0 ? ThreadScratch(ScratchUse::kShared, floats) : nullptr;
    for (Attender& call : attenders) {
      call.SetMemory(memory);
      memory += call.MemoryFloats();
    }
  }
  RunTasks(
      attenders, [](const Attender& call) { return call.NumTasks(); },
      [](const Attender& call, int64_t task) { call.RunTask(task); }, *compute.pool);
  if (floats == 0) return;
  RunTasks(
      attenders, [](const Attender& call) { return call.NumFinishTasks(); },
      [](const Attender& call, int64_t task) { call.RunFinishTask(task); }, *compute.pool);
}

}  // namespace ixc
