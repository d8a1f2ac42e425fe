// ixc quantize: a weight directory with integer weights.
#include "eval/quantize.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/quantize_report.h"
#include "engine/pipeline.h"

namespace ixc {

int Run(const QuantizeCommandOptions& options) {
  CatchInterrupts();
  Progress progress;
  ThreadPool pool(options.num_threads);
  const Compute compute{ChooseIsa(options.isa), &pool};
  QuantizeOptions quantize;
  quantize.scheme = ParseLoadScheme(options.scheme, options.group)->scheme;
  quantize.group = options.group;
  quantize.fraction = options.fraction;
  quantize.search = options.search;
  quantize.calibration_file = options.calibration_file;
  quantize.spelling = options.format == "safe_tensor" ? DescriptionSpelling::kSafeTensor
                                                      : DescriptionSpelling::kAscendV1;
  quantize.on_progress = [&](const char* stage, double share) {
    ThrowIfInterrupted();
    progress.Update(stage, share);
  };
  const QuantizeReport report =
      QuantizeDirectory(options.source, options.destination, quantize, compute);
  if (!options.report_file.empty()) {
    WriteQuantizeReport(options, report, quantize.on_progress);
  }
  progress.Clear();
  const double bits = 8.0 * static_cast<double>(report.quantized_bytes) /
                      static_cast<double>(std::max<uint64_t>(report.num_weights, 1));
  if (options.json) {
    const Json json = {{"scheme", options.scheme},      {"file", report.file},
                       {"bytes", report.num_bytes},     {"linears", report.num_linears},
                       {"weights", report.num_weights}, {"bits_per_weight", bits}};
    fmt::print("{}\n", ToText(json));
  } else {
    fmt::print("{} linears in {}, {:.2f} bits a weight; {:.1f} MB in {}\n", report.num_linears,
               options.scheme, bits, static_cast<double>(report.num_bytes) / 1e6, report.file);
  }
  return 0;
}

}  // namespace ixc
