// What the parts of `ixc bench` share, and the parts themselves.
#pragma once

#include <string>

#include "cli/bench_report.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "kernels/compute.h"
#include "tensor/dtype.h"

namespace ixc {

struct BenchSession {
  const BenchOptions& options;
  BenchReport& report;
  Progress& progress;

  bool Wants(const std::string& part) const { return options.what.empty() || options.what == part; }
};

// "f16", "bf16", "fp32": how figures call the type of the weights.
std::string SchemeOf(DType dtype);

// Micro-benchmarks of every kernel row; bench_kernels.cc.
void BenchKernels(const BenchSession& session, const Compute& compute);

// prefill, decode, vision, load and memory of a model; bench_model.cc.
void BenchModel(const BenchSession& session);

}  // namespace ixc
