// ixc bench kernels: every row of the kernel tables.
//
// A row that would be chosen runs where its speed matters: products over the four matrices of a
// layer of the 7B models with one row (decode) and 1,255 rows (a picture and a short question),
// attention and element-wise steps at the same sizes. A row that would not be chosen runs on a
// small shape, enough to see that it works and how far behind it is.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "cli/bench_session.h"
#include "cli/bench_timing.h"
#include "cpu/aligned_buffer.h"
#include "kernels/attention/attention_table.h"
#include "kernels/gemm/gemm_table.h"
#include "kernels/kernel_rows.h"
#include "kernels/limits/limits.h"
#include "kernels/qgemm/qgemm_table.h"

namespace ixc {

namespace {

constexpr int64_t kPrefillRows = 1255;
constexpr int64_t kLongContext = 8000;
// The portable products would take minutes over all of them.
constexpr int64_t kPrefillRowsScalar = 8;
constexpr KernelShape kLayerMatrices[] = {
    {1, 6144, 4096}, {1, 4096, 4096}, {1, 14336, 4096}, {1, 4096, 14336}};
constexpr const char* kLayerMatricesText = "4096x6144, 4096x4096, 4096x14336, 14336x4096";

const KernelRow& FindRow(const std::vector<KernelRow>& rows, const std::string& name,
                         const char* dtype) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const KernelRow& row) {
    return row.name == name && (row.dtype == dtype || row.dtype.empty());
  });
  if (found == rows.end()) Fail("kernel '{}' of {} is in no table", name, dtype);
  return *found;
}

bool CountsOperations(const KernelRow& row, const KernelShape& shape) {
  const bool is_product = row.family == "gemm" || row.family == "gemv" || row.family == "attention";
  return is_product && shape.rows > 1;
}

class KernelBench {
 public:
  KernelBench(const BenchSession& session, const Compute& compute)
      : session_(session), compute_(compute), rows_(ListKernelRows()) {}

  void Run() {
    const int64_t many = compute_.isa == Isa::kScalar ? kPrefillRowsScalar : kPrefillRows;
    for (int64_t num_rows : {many, int64_t{1}}) {
      const std::string family = num_rows == 1 ? "gemv." : "gemm.";
      for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
        Product(family + SchemeOf(dtype), ChooseGemm(dtype, num_rows, compute_.isa).name,
                Name(dtype), num_rows);
      }
      for (QuantScheme scheme : {QuantScheme::kW8A8, QuantScheme::kW8A8S, QuantScheme::kW4}) {
        Product(family + Name(scheme), ChooseQGemm(scheme, num_rows, compute_.isa).name,
                Name(scheme), num_rows);
      }
    }
    AttentionFigures();
    ElementWise();
    Others();
  }

 private:
  // One line for the four matrices of a layer: the median of their four rates.
  void Product(const std::string& figure, const std::string& kernel, const char* dtype,
               int64_t num_rows) {
    const KernelRow& row = FindRow(rows_, kernel, dtype);
    std::vector<KernelShape> shapes(std::begin(kLayerMatrices), std::end(kLayerMatrices));
    for (KernelShape& shape : shapes) shape.rows = num_rows;
    Measured(figure, row, shapes, fmt::format("{} rows x {}", num_rows, kLayerMatricesText));
  }

  void AttentionFigures() {
    const bool scalar = compute_.isa == Isa::kScalar;
    const int64_t queries = scalar ? 64 : kPrefillRows;
    const KernelRow& row =
        FindRow(rows_, ChooseAttention(compute_.isa, queries).name, Name(DType::kF16));
    Measured("attention.prefill", row, {{queries, queries, 128}},
             fmt::format("{} queries and keys, 32 heads of 128 on 8, F16", queries));
    if (!scalar) {
      Measured("attention.prefill_long", row, {{512, kLongContext, 128}},
               fmt::format("the last 512 of {} queries and keys, F16", kLongContext));
    }
    // The layers of a model in turn: no step finds the keys and values of the last one in a cache.
    for (const auto& [figure, dtype, keys, layers] :
         {DecodeCase{"attention.decode", DType::kF16, kPrefillRows, 32},
          {"attention.decode_int8", DType::kI8, kPrefillRows, 32},
          {"attention.decode_long", DType::kF16, kLongContext, 8},
          {"attention.decode_long_int8", DType::kI8, kLongContext, 8}}) {
      if (scalar && keys == kLongContext) continue;
      constexpr int64_t kRows = 4;  // query heads of a KV head
      Measured(figure, FindRow(rows_, ChooseAttention(compute_.isa, kRows).name, Name(dtype)),
               std::vector<KernelShape>(static_cast<size_t>(layers), {1, keys, 128}),
               fmt::format("1 query, {} keys, 32 heads of 128 on 8, {}, {} layers", keys,
                           Name(dtype), layers));
    }
  }

  struct DecodeCase {
    const char* figure;
    DType dtype;
    int64_t keys;
    int layers;
  };

  // Steps that only move memory: larger than any cache.
  void ElementWise() {
    for (const char* family : {"norm", "rope", "activation"}) {
      const KernelRow* best = nullptr;
      for (const KernelRow& row : rows_) {
        const bool fits = row.family == family && row.isa <= compute_.isa;
        if (fits && (best == nullptr || row.isa > best->isa)) best = &row;
      }
      if (best == nullptr) continue;
      Measured(family, *best, {{4096, 4096, 0}}, "4096 rows of 4096");
    }
  }

  // What is in the tables and was not chosen above.
  void Others() {
    for (const KernelRow& row : rows_) {
      const bool is_done = std::find(done_.begin(), done_.end(), &row) != done_.end();
      if (is_done || row.isa > compute_.isa) continue;
      KernelShape shape{std::min<int64_t>(row.shape.rows, 32), 1024, 1024};
      if (row.family == "attention") shape = {64, 64, 128};
      std::string figure = "row." + row.name;
      if (row.family == "attention") {
        figure += row.dtype == "F32" ? ".fp32" : row.dtype == "F16" ? ".f16" : ".int8";
      }
      Measured(figure, row, {shape}, fmt::format("{} rows, reduced", shape.rows));
    }
  }

  // In turn with works that memory bounds, because its speed changes from one second to the next
  // where other machines share it.
  void ReadMemory() {
    if (memory_.size() == 0) {
      memory_ = AlignedBuffer(size_t{256} << 20);
      std::memset(memory_.data(), 1, memory_.size());
    }
    const std::span<const std::byte> all(memory_.data(), memory_.size());
    bytes_read_ = ReadOnce(std::span(&all, 1), compute_);
  }

  void Measured(const std::string& name, const KernelRow& row,
                const std::vector<KernelShape>& shapes, const std::string& shape_text) {
    done_.push_back(&row);
    if (name.find(session_.options.only) == std::string::npos) return;
    session_.progress.Update("kernel rows",
                             static_cast<double>(done_.size()) / static_cast<double>(rows_.size()));
    std::vector<KernelWork> works;
    std::vector<std::function<void()>> runs;
    for (const KernelShape& shape : shapes) {
      works.push_back(row.prepare(shape, *compute_.pool));
      runs.push_back(works.back().run);
    }
    const bool arithmetic = CountsOperations(row, shapes[0]);
    if (!arithmetic) runs.emplace_back([&] { ReadMemory(); });
    const std::vector<BenchTiming> timings = MeasureInTurn(runs, session_.options.repeats);
    std::vector<double> rates, best_rates;
    Figure figure;
    figure.seconds = 0;
    for (size_t i = 0; i < works.size(); ++i) {
      const double amount = (arithmetic ? works[i].operations : works[i].bytes) * 1e-9;
      rates.push_back(amount / timings[i].median);
      best_rates.push_back(amount / timings[i].best);
      *figure.seconds += timings[i].median;
    }
    figure.figure = name;
    figure.value = Median(rates);
    figure.best = Median(best_rates);
    figure.unit = !arithmetic ? "GB/s" : row.limit == "limit.fp32" ? "GFLOP/s" : "GOP/s";
    figure.limit_figure = arithmetic ? row.limit : "limit.read";
    if (!arithmetic) figure.limit = static_cast<double>(bytes_read_) * 1e-9 / timings.back().median;
    figure.kernel = row.name;
    figure.shape = shape_text;
    figure.repeats = timings[0].repeats;
    session_.report.Add(figure);
  }

  const BenchSession& session_;
  const Compute& compute_;
  const std::vector<KernelRow> rows_;
  std::vector<const KernelRow*> done_;
  AlignedBuffer memory_;   // far beyond any cache
  size_t bytes_read_ = 0;  // by one ReadMemory()
};

}  // namespace

void BenchKernels(const BenchSession& session, const Compute& compute) {
  KernelBench(session, compute).Run();
}

}  // namespace ixc
