#include "kernels/kernel_rows.h"

#include <fmt/core.h>

#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <utility>

#include "base/half.h"
#include "kernels/activation/activation_table.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_table.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/norm/norm_table.h"
#include "kernels/qgemm/qgemm_table.h"
#include "kernels/resize/resize_table.h"
#include "kernels/rope/rope_table.h"

namespace ixc {

namespace {

constexpr int kQueryHeads = 32;
constexpr int kKvHeads = 8;
constexpr int kPrefillRows = 1255;  // a picture of 490 x 490 and its prompt

Matrix RandomMatrix(int64_t rows, int64_t cols) {
  Matrix matrix(rows, cols);
  std::minstd_rand generator(1);
  for (int64_t i = 0; i < rows * cols; ++i) {
    matrix.data()[i] = static_cast<float>(static_cast<int>(generator() % 2001) - 1000) * 1e-3f;
  }
  return matrix;
}

// Weights of the packed form, without a matrix to pack: one random stretch repeated.
PackedMatrix RandomWeights(DType dtype, int64_t n, int64_t k) {
  PackedMatrix w;
  w.dtype = dtype;
  w.n = n;
  w.k = k;
  w.data = AlignedBuffer(static_cast<size_t>(w.NumPanels()) * w.PanelBytes());
  const Matrix stretch = RandomMatrix(1, 4096);
  const size_t size = SizeOf(dtype);
  for (size_t i = 0; i < w.data.size() / size; ++i) {
    const float value = stretch.data()[i % 4096];
    const Half half = ToHalf(value);
    const BFloat16 brain = ToBFloat16(value);
    const void* from = dtype == DType::kF32   ? static_cast<const void*>(&value)
                       : dtype == DType::kF16 ? static_cast<const void*>(&half)
                                              : static_cast<const void*>(&brain);
    std::memcpy(w.data.data() + i * size, from, size);
  }
  return w;
}

// The scheme that stands for a layout.
QuantScheme SchemeOf(QuantLayout layout) {
  if (layout == QuantLayout::kBytes) return QuantScheme::kW8A8;
  return layout == QuantLayout::kNibbles ? QuantScheme::kW8A8S : QuantScheme::kW4;
}

// One product of a kernel's row with made-up weights.
template <typename Kernel, typename Weights>
KernelWork PrepareProduct(const Kernel& kernel, Weights weights, const KernelShape& shape,
                          ThreadPool& pool) {
  struct Data {
    Matrix x, y;
    Weights w;
  };
  auto data = std::make_shared<Data>(
      Data{RandomMatrix(shape.rows, shape.k), Matrix(shape.rows, shape.n), std::move(weights)});
  KernelWork work;
  work.operations = 2.0 * static_cast<double>(shape.rows) * static_cast<double>(shape.n) *
                    static_cast<double>(shape.k);
  work.bytes = static_cast<double>(data->w.NumBytes());
  work.run = [data, &kernel, &pool] {
    kernel.run({data->x, &data->w, data->y, {}}, {kernel.isa, &pool});
  };
  return work;
}

KernelWork Prepare(const GemmKernel& kernel, const KernelShape& shape, ThreadPool& pool) {
  return PrepareProduct(kernel, RandomWeights(kernel.dtype, shape.n, shape.k), shape, pool);
}

KernelWork Prepare(const QGemmKernel& kernel, const KernelShape& shape, ThreadPool& pool) {
  const QuantScheme scheme = SchemeOf(kernel.layout);
  const int64_t group = scheme == QuantScheme::kW4 ? 128 : 0;
  return PrepareProduct(kernel, RandomQuantizedMatrix({scheme, shape.n, shape.k, group}, 1), shape,
                        pool);
}

template <typename Kernel>
std::string TileOf(const Kernel& kernel) {
  const std::string rows = kernel.max_rows == std::numeric_limits<int>::max()
                               ? fmt::format("{} rows or more", kernel.min_rows)
                               : fmt::format("{} to {} rows", kernel.min_rows, kernel.max_rows);
  return fmt::format("{}, tile {} x {}, panels of 16", rows, kernel.tile_rows, kernel.tile_cols);
}

std::string Details(const GemmKernel& kernel) { return TileOf(kernel); }
std::string Details(const QGemmKernel& kernel) { return TileOf(kernel) + ", lines of 4 inputs"; }

const char* WeightsOf(const GemmKernel& kernel) { return Name(kernel.dtype); }
const char* WeightsOf(const QGemmKernel& kernel) { return Name(SchemeOf(kernel.layout)); }

// The ceiling of the instructions that a row multiplies with; the portable rows have none.
std::string LimitOf(const GemmKernel&) { return "limit.fp32"; }
std::string LimitOf(const QGemmKernel& kernel) {
  if (kernel.isa == Isa::kAmx) return "limit.amx_int8";
  if (kernel.isa == Isa::kAvx512Vnni) return "limit.vnni";
  if (kernel.isa == Isa::kScalar) return "";
  return kernel.layout == QuantLayout::kBytes ? "limit.s16" : "limit.u8s4";
}

KernelWork PrepareAttention(DType dtype, Isa isa, const KernelShape& shape, ThreadPool& pool) {
  struct Data {
    KvShape kv;
    Matrix q, out;
    std::vector<AlignedBuffer> memory;
    std::vector<std::byte*> blocks;
  };
  const int dim = static_cast<int>(shape.k);
  auto data = std::make_shared<Data>();
  data->kv = {kKvHeads, dim, dtype};
  data->q = RandomMatrix(shape.rows, int64_t{kQueryHeads} * dim);
  data->out = Matrix(shape.rows, int64_t{kQueryHeads} * dim);
  for (int64_t block = 0; block * kKeyBlock < shape.n; ++block) {
    data->memory.emplace_back(data->kv.BlockBytes());
    data->blocks.push_back(data->memory.back().data());
  }
  const Compute compute{isa, &pool};
  const Matrix keys = RandomMatrix(shape.n, int64_t{kKvHeads} * dim);
  StoreKeysValues(data->kv, keys, keys, 0, data->blocks, compute);
  const double rows = static_cast<double>(shape.rows);
  const double pairs = rows * (static_cast<double>(shape.n) - (rows - 1) / 2);
  KernelWork work;
  work.operations = 4.0 * pairs * kQueryHeads * dim;
  work.bytes = static_cast<double>(data->memory.size() * data->kv.BlockBytes());
  work.run = [data, compute, shape] {
    const AttentionArgs args{data->kv, data->blocks, kQueryHeads, shape.n - shape.rows,
                             shape.n,  true,         0.1f};
    Attention(args, data->q, data->out, compute);
  };
  return work;
}

// Element-wise steps on [rows, n]: `touched` floats are read or written an element.
template <typename Run>
KernelWork PrepareRows(const KernelShape& shape, ThreadPool& pool, int touched, Run run) {
  struct Data {
    Matrix x, y;
  };
  auto data = std::make_shared<Data>(
      Data{RandomMatrix(shape.rows, shape.n), RandomMatrix(shape.rows, shape.n)});
  KernelWork work;
  work.bytes = 4.0 * touched * static_cast<double>(shape.rows) * static_cast<double>(shape.n);
  work.run = [data, shape, run, &pool] {
    pool.ParallelFor(shape.rows, RowGrain(shape.n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) run(data->x.Row(row), data->y.Row(row), shape.n);
    });
  };
  return work;
}

template <typename Kernel>
void AddProducts(std::vector<KernelRow>& rows, std::span<const Kernel> kernels) {
  for (const Kernel& kernel : kernels) {
    KernelRow row;
    const bool few_rows = kernel.max_rows < kPrefillRows;
    row.family = few_rows ? "gemv" : "gemm";
    row.name = kernel.name;
    row.isa = kernel.isa;
    row.dtype = WeightsOf(kernel);
    row.limit = LimitOf(kernel);
    row.details = Details(kernel);
    row.shape = {few_rows ? 1 : kPrefillRows, 14336, 4096};
    row.prepare = [&kernel](const KernelShape& shape, ThreadPool& pool) {
      return Prepare(kernel, shape, pool);
    };
    rows.push_back(std::move(row));
  }
}

void AddAttention(std::vector<KernelRow>& rows) {
  for (const AttentionKernel& kernel : AttentionKernels()) {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kI8}) {
      KernelRow row;
      row.family = "attention";
      row.name = kernel.name;
      row.isa = kernel.isa;
      row.dtype = Name(dtype);
      row.limit = "limit.fp32";
      row.details = fmt::format("any rows, tile {} x {}, blocks of 64 keys", kernel.tile_rows,
                                kernel.tile_cols);
      row.shape = {kPrefillRows, kPrefillRows, 128};
      row.prepare = [&kernel, dtype](const KernelShape& shape, ThreadPool& pool) {
        return PrepareAttention(dtype, kernel.isa, shape, pool);
      };
      rows.push_back(std::move(row));
    }
  }
}

template <typename Functions, typename Run>
void AddRowFamily(std::vector<KernelRow>& rows, const char* family,
                  std::span<const RowKernel<Functions>> kernels, int touched, Run run) {
  for (const auto& kernel : kernels) {
    KernelRow row;
    row.family = family;
    row.name = kernel.name;
    row.isa = kernel.isa;
    row.details = "row by row, 16 lanes";
    row.shape = {kPrefillRows, 4096, 0};
    row.prepare = [&kernel, touched, run](const KernelShape& shape, ThreadPool& pool) {
      return PrepareRows(shape, pool, touched,
                         [functions = kernel.functions, run](float* x, float* y, int64_t cols) {
                           run(*functions, x, y, cols);
                         });
    };
    rows.push_back(std::move(row));
  }
}

}  // namespace

std::vector<KernelRow> ListKernelRows() {
  std::vector<KernelRow> rows;
  AddProducts(rows, GemmKernels());
  AddProducts(rows, QGemmKernels());
  AddAttention(rows);
  AddRowFamily(rows, "norm", NormKernels(), 3,
               [](const NormIsa& isa, float* x, float* y, int64_t cols) {
                 isa.rms_norm({x, x, nullptr, y, cols, 1e-5f});
               });
  AddRowFamily(rows, "rope", RopeKernels(), 2,
               [](const RopeIsa& isa, float* x, float* y, int64_t cols) {
                 isa.rotate({y, x, x + 64, static_cast<int>(cols / 128), 64});
               });
  AddRowFamily(rows, "activation", ActivationKernels(), 3,
               [](const ActivationIsa& isa, float* x, float* y, int64_t cols) {
                 isa.silu_mul(x, y, y, cols);
               });
  return rows;
}

std::vector<KernelChoice> ExplainKernels(Isa isa) {
  const std::string best = fmt::format("the best row up to {}", Name(isa));
  const auto choice_of = [&](const auto& kernel, const char* weights, int64_t rows) {
    return KernelChoice{fmt::format("product, {} weights, {} rows", weights, rows), kernel.name,
                        fmt::format("{} for {}", best, Details(kernel))};
  };
  std::vector<KernelChoice> choices;
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (int64_t rows : {1, 6, 7, kPrefillRows}) {
      choices.push_back(choice_of(ChooseGemm(dtype, rows, isa), Name(dtype), rows));
    }
  }
  for (QuantScheme scheme : kQuantSchemes) {
    for (int64_t rows : {1, 6, 7, kPrefillRows}) {
      choices.push_back(choice_of(ChooseQGemm(scheme, rows, isa), Name(scheme), rows));
    }
  }
  for (int64_t rows : {4, kPrefillRows}) {
    choices.push_back(
        {fmt::format("attention, {} rows", rows), ChooseAttention(isa, rows).name, best});
  }
  choices.push_back({"norms", ChooseRow(NormKernels(), isa).name, best});
  choices.push_back({"rotary embedding", ChooseRow(RopeKernels(), isa).name, best});
  choices.push_back({"element-wise steps", ChooseRow(ActivationKernels(), isa).name, best});
  choices.push_back({"resize", ChooseRow(ResizeKernels(), isa).name, best});
  return choices;
}

}  // namespace ixc
