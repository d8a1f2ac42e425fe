#include "formats/running_names.h"

namespace ixc {
namespace {

constexpr std::string_view kPrefix = "language_model.";

}  // namespace

std::string RunningName(std::string_view tensor) {
  if (tensor == "output.weight") return std::string(kPrefix) + "lm_head.weight";
  if (tensor.starts_with("model.")) return std::string(kPrefix) + std::string(tensor);
  return std::string(tensor);
}

std::string CheckpointName(std::string_view running) {
  if (!running.starts_with(kPrefix)) return std::string(running);
  const std::string_view rest = running.substr(kPrefix.size());
  return rest == "lm_head.weight" ? "output.weight" : std::string(rest);
}

}  // namespace ixc
