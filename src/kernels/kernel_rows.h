// Every row of every kernel table in one list: for `ixc bench`, which runs and explains them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/compute.h"

namespace ixc {

// What a micro-benchmark runs. Products: x [rows, k] times weights [n, k]. Attention: the last
// `rows` of n positions look at all before them, 32 query heads on 8 KV heads of k dimensions. The
// rest: [rows, n].
struct KernelShape {
  int64_t rows = 1;
  int64_t n = 4096;
  int64_t k = 4096;
};

// One run of a kernel on data that it owns, and what that run amounts to.
struct KernelWork {
  double operations = 0;  // multiply and add counted apart
  double bytes = 0;       // of weights or keys and values, or of what element-wise steps touch
  std::function<void()> run;
};

struct KernelRow {
  std::string family;  // gemm, gemv, attention, norm, …: which figure it belongs to
  std::string name;
  Isa isa = Isa::kScalar;
  std::string dtype;    // of weights (or their scheme) or of keys and values; empty: element-wise
  std::string limit;    // of products: the figure of `ixc bench limits` that is their ceiling
  std::string details;  // tile, packing and rows in words
  KernelShape shape;    // where its speed is of interest
  std::function<KernelWork(const KernelShape& shape, ThreadPool& pool)> prepare;
};

// In table order; also rows that this machine cannot run (IsSupported(row.isa) tells).
std::vector<KernelRow> ListKernelRows();

// Which row runs an operation, and why not another.
struct KernelChoice {
  std::string operation;  // "product, F16 weights, 1 row"
  std::string kernel;
  std::string reason;
};
std::vector<KernelChoice> ExplainKernels(Isa isa);

}  // namespace ixc
