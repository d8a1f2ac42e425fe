// ixc bench: speeds beside what the machine can do at most, measured in the same run.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "cli/bench_session.h"
#include "cli/bench_timing.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "kernels/kernel_rows.h"

namespace ixc {

namespace {

Isa IsaOf(const ModelOptions& options) {
  return options.isa.empty() ? BestIsa() : ParseIsa(options.isa);
}

LimitOptions LimitOptionsOf() {
  LimitOptions limits;
  const auto memory = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<size_t>(::sysconf(_SC_PAGE_SIZE));
  limits.read_bytes = std::min(limits.read_bytes, memory / 8);
  return limits;
}

void PrintLimits(const BenchSession& session) {
  for (const Limit& limit : session.limits) {
    Figure figure;
    figure.figure = limit.figure;
    figure.value = limit.median;
    figure.best = limit.best;
    figure.unit = limit.unit;
    figure.limit = limit.best;
    figure.repeats = limit.repeats;
    session.Print(figure);
  }
}

void ExplainChoices(BenchReport& report, Isa isa) {
  for (const KernelChoice& choice : ExplainKernels(isa)) {
    report.Explain(choice.operation, choice.kernel, choice.reason);
  }
  for (const KernelRow& row : ListKernelRows()) {
    if (row.isa <= isa) continue;
    const char* why = IsSupported(row.isa) ? "not run: above the instruction set asked for"
                                           : "not run: this machine lacks the instruction set";
    report.Explain(row.family + (row.dtype.empty() ? "" : ", " + row.dtype), row.name, why);
  }
}

void RunParts(const BenchOptions& options) {
  Progress progress;
  auto pool = std::make_unique<ThreadPool>(options.model.num_threads);
  const Compute compute{IsaOf(options.model), pool.get()};
  BenchReport report({options.json, pool->num_threads(), compute.isa});
  if (options.explain) ExplainChoices(report, compute.isa);
  progress.Update("measuring the machine", 0);
  const BenchSession session{options, report, progress, MeasureLimits(LimitOptionsOf(), compute)};
  StopIfInterrupted();
  if (session.Wants("limits")) PrintLimits(session);
  if (session.Wants("kernels")) BenchKernels(session, compute);
  pool.reset();  // the model has its own
  if (options.what != "limits" && options.what != "kernels") BenchModel(session);
}

}  // namespace

double BenchSession::LimitOf(const std::string& figure) const {
  for (const Limit& limit : limits) {
    if (limit.figure == figure) return limit.best;
  }
  Fail("this machine's {} was not measured", figure);
}

std::string SchemeOf(DType dtype) {
  if (dtype == DType::kF16) return "f16";
  return dtype == DType::kBF16 ? "bf16" : "fp32";
}

int Run(const BenchOptions& options) {
  CatchInterrupts();
  try {
    RunParts(options);
  } catch (const BenchInterrupted&) {
    return kInterruptedExitCode;
  }
  return 0;
}

}  // namespace ixc
