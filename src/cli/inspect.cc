// ixc inspect: what a weight directory holds and the memory it needs. Reads headers only.
#include <fmt/format.h>

#include <optional>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/inspect_picture.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "formats/verify.h"
#include "formats/weight_directory.h"
#include "model/census.h"

namespace ixc {

namespace {

std::string Megabytes(uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

Json ToJson(const Census& census) {
  Json parts = Json::array();
  for (const CensusPart& part : census.parts) {
    parts.push_back({{"part", part.name},
                     {"tensors", part.num_tensors},
                     {"parameters", part.num_elements},
                     {"bytes", part.num_bytes},
                     {"dtypes", part.dtypes}});
  }
  Json memory;
  memory["weights"] = census.memory.weights;
  memory["keys_and_values"] = census.memory.keys_and_values;
  memory["activations"] = census.memory.activations;
  memory["context"] = census.memory.context;
  return {{"kind", Name(census.kind)},   {"directory", census.directory},
          {"parts", std::move(parts)},   {"unknown_tensors", census.unknown},
          {"memory", std::move(memory)}, {"files", census.files}};
}

void PrintShapes(const ModelConfig& config) {
  fmt::print(
      "decoder      {} layers, width {}, {} heads over {} keys of {}, MLP {}, vocabulary {}\n",
      config.num_layers, config.hidden_size, config.num_heads, config.num_kv_heads, config.head_dim,
      config.intermediate_size, config.vocab_size);
  const VisionConfig& vision = config.vision;
  fmt::print("tower        {} layers, width {}, {} heads, MLP {}, patches of {}\n",
             vision.num_layers, vision.hidden_size, vision.num_heads, vision.intermediate_size,
             vision.patch_size);
}

void PrintTable(const Census& census) {
  fmt::print("\n{:<22}{:>8}{:>16}{:>14}  {}\n", "part", "tensors", "parameters", "size", "types");
  uint64_t tensors = 0, elements = 0, bytes = 0;
  for (const CensusPart& part : census.parts) {
    fmt::print("{:<22}{:>8}{:>16}{:>14}  {}\n", part.name, part.num_tensors, part.num_elements,
               Megabytes(part.num_bytes), fmt::join(part.dtypes, ", "));
    tensors += part.num_tensors;
    elements += part.num_elements;
    bytes += part.num_bytes;
  }
  fmt::print("{:<22}{:>8}{:>16}{:>14}\n", "total", tensors, elements, Megabytes(bytes));
  if (!census.unknown.empty()) {
    fmt::print("\nnot used by the model, ignored: {}\n", fmt::join(census.unknown, ", "));
  }
  const MemoryPlan& memory = census.memory;
  fmt::print(
      "\nmemory at {} positions: weights {}, keys and values {}, activations {}; {} in all\n",
      memory.context, Megabytes(memory.weights), Megabytes(memory.keys_and_values),
      Megabytes(memory.activations), Megabytes(memory.Total()));
}

// Reads every weight; prints what is wrong and returns the exit code.
int Verify(const Checkpoint& checkpoint) {
  uint64_t total = 0;
  for (const TensorFile* file : checkpoint.files()) total += file->size();
  Progress progress;
  const std::vector<std::string> defects = FindDefects(checkpoint, [&](uint64_t bytes) {
    ThrowIfInterrupted();
    progress.Update("reading weights", static_cast<double>(bytes) / static_cast<double>(total));
  });
  progress.Clear();
  for (const std::string& defect : defects) LogError(defect);
  if (defects.empty()) fmt::print(stderr, "every weight was read: no defect found\n");
  return defects.empty() ? 0 : 1;
}

}  // namespace

int Run(const InspectOptions& options) {
  const std::string dir = ModelDirOrDefault(options.model_dir);
  const WeightDirectory weights = WeightDirectory::Open(dir);
  const Census census = TakeCensus(weights.checkpoint, weights.config, options.context);
  CatchInterrupts();
  std::optional<PictureForecast> picture;
  if (!options.prompt.images.empty()) picture = ForecastPicture(options, weights, census);
  if (options.json) {
    Json json = ToJson(census);
    if (weights.quantization) json["quantization"] = weights.quantization->type;
    if (picture) json["picture"] = ToJson(*picture);
    fmt::print("{}\n", ToText(json));
    return options.verify ? Verify(weights.checkpoint) : 0;
  }
  fmt::print("InternLM-XComposer2-{} in {}\n", Name(census.kind), dir);
  fmt::print("files        {}\n", fmt::join(census.files, ", "));
  if (weights.quantization) fmt::print("quantized as {}\n", weights.quantization->type);
  PrintShapes(weights.config);
  PrintTable(census);
  if (picture) Print(*picture, options.prompt.prompt);
  return options.verify ? Verify(weights.checkpoint) : 0;
}

}  // namespace ixc
