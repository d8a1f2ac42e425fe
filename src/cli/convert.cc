// ixc convert: a weight directory as safetensors.
#include "formats/convert.h"

#include <fmt/format.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

namespace ixc {

namespace {

std::optional<DType> ParseDType(const std::string& name) {
  if (name == "f16") return DType::kF16;
  if (name == "bf16") return DType::kBF16;
  if (name == "f32") return DType::kF32;
  return std::nullopt;
}

ConvertReport Convert(const ConvertCommandOptions& options) {
  Progress progress;
  ConvertOptions convert;
  convert.dtype = ParseDType(options.dtype);
  convert.max_shard_bytes = options.shard_size;
  convert.overwrite = options.overwrite;
  convert.on_progress = [&](double share) {
    ThrowIfInterrupted();
    progress.Update("converting", share);
  };
  try {
    return ConvertCheckpoint(options.source, options.destination, convert);
  } catch (const Interrupted&) {
    progress.Clear();
    fmt::print(stderr, "stopped; the same command goes on from here\n");
    throw;
  }
}

Json ToJson(const ConvertReport& report) {
  return {{"files", report.files},
          {"tensors", report.num_tensors},
          {"bytes", report.num_bytes},
          {"bytes_kept_from_interrupted_run", report.num_kept_bytes},
          {"overflows", report.num_overflows}};
}

}  // namespace

int Run(const ConvertCommandOptions& options) {
  CatchInterrupts();
  const ConvertReport report = Convert(options);
  if (options.json) {
    fmt::print("{}\n", ToText(ToJson(report)));
  } else {
    fmt::print("{} tensors, {:.1f} MB, in {}\n", report.num_tensors,
               static_cast<double>(report.num_bytes) / 1e6, fmt::join(report.files, ", "));
  }
  if (report.num_overflows > 0) {
    fmt::print(stderr, "warning: {} values were too large for {} and became infinite\n",
               report.num_overflows, options.dtype);
  }
  return 0;
}

}  // namespace ixc
