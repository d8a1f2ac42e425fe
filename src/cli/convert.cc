// ixc convert: a weight directory as safetensors.
#include "formats/convert.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "formats/checkpoint.h"

namespace ixc {

namespace {

std::optional<DType> ParseDType(const std::string& name) {
  if (name == "f16") return DType::kF16;
  if (name == "bf16") return DType::kBF16;
  if (name == "f32") return DType::kF32;
  return std::nullopt;
}

uint64_t TotalBytes(const std::string& directory) {
  const Checkpoint checkpoint = Checkpoint::Open(directory);
  uint64_t bytes = 0;
  for (const TensorFile* file : checkpoint.files()) bytes += file->size();
  return bytes;
}

}  // namespace

int Run(const ConvertCommandOptions& options) {
  CatchInterrupts();
  Progress progress;
  const double total = static_cast<double>(TotalBytes(options.source));
  ConvertOptions convert;
  convert.dtype = ParseDType(options.dtype);
  convert.overwrite = options.overwrite;
  convert.on_progress = [&](uint64_t bytes) {
    ThrowIfInterrupted();
    progress.Update("converting", static_cast<double>(bytes) / total);
  };
  const ConvertReport report = ConvertCheckpoint(options.source, options.destination, convert);
  progress.Clear();
  fmt::print("{} tensors, {:.1f} MB, in {}\n", report.num_tensors,
             static_cast<double>(report.num_bytes) / 1e6, fmt::join(report.files, ", "));
  if (report.num_overflows > 0) {
    fmt::print(stderr, "warning: {} values were too large for {} and became infinite\n",
               report.num_overflows, options.dtype);
  }
  return 0;
}

}  // namespace ixc
