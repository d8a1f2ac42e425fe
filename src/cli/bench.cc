// ixc bench: speeds beside what the machine can do at most, measured in the same run.
#include <unistd.h>

#include <algorithm>

#include "cli/bench_session.h"
#include "cli/bench_timing.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "kernels/kernel_rows.h"
#include "kernels/limits/limits.h"

namespace ixc {

namespace {

// Many short runs: their best is the machine's limit even while other programs take turns on it.
LimitOptions LimitOptionsOf() {
  LimitOptions limits;
  const auto memory = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<size_t>(::sysconf(_SC_PAGE_SIZE));
  limits.read_bytes = std::min(size_t{512} << 20, memory / 8);
  limits.seconds = 0.01;
  limits.repeats = 25;
  return limits;
}

void MeasureMachine(const BenchSession& session, const Compute& compute) {
  session.progress.Update("measuring the machine", 0);
  session.report.Add(MeasureLimits(LimitOptionsOf(), compute));
  session.progress.Clear();
  ThrowIfInterrupted();
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

// The machine is measured between the parts, while nothing else takes memory.
void RunParts(const BenchSession& session, const Compute& compute) {
  const std::string& what = session.options.what;
  MeasureMachine(session, compute);
  if (what == "limits") return;
  if (session.Wants("kernels")) {
    BenchKernels(session, compute);
    MeasureMachine(session, compute);
  }
  if (what != "kernels") {
    BenchModel(session);
    MeasureMachine(session, compute);
  }
}

}  // namespace

std::string SchemeOf(DType dtype) {
  if (dtype == DType::kF16) return "f16";
  return dtype == DType::kBF16 ? "bf16" : "fp32";
}

int Run(const BenchOptions& options) {
  CatchInterrupts();
  ThreadPool pool(options.model.num_threads);
  const Compute compute{ChooseIsa(options.model.isa), &pool};
  const BenchFormat format = options.json  ? BenchFormat::kJson
                             : options.csv ? BenchFormat::kCsv
                                           : BenchFormat::kTable;
  BenchReport report({format, pool.num_threads(), compute.isa});
  if (options.explain) ExplainChoices(report, compute.isa);
  Progress progress;
  const BenchSession session{options, report, progress};
  int exit_code = 0;
  try {
    RunParts(session, compute);
  } catch (const Interrupted&) {
    exit_code = kInterruptedExitCode;  // what is measured is still printed
  }
  progress.Clear();
  report.Finish(session.Wants("limits"));
  return exit_code;
}

}  // namespace ixc
