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
#include "formats/weight_directory.h"
#include "model/census.h"
#include "model/verify_directory.h"

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

Json ToJson(const VerifyReport& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings) {
    findings.push_back({{"severity", finding.is_error ? "error" : "warning"},
                        {"where", finding.where},
                        {"problem", finding.problem},
                        {"advice", finding.advice}});
  }
  return {{"ok", !report.HasErrors()}, {"findings", std::move(findings)},
          {"files", report.num_files}, {"tensors", report.num_tensors},
          {"bytes", report.num_bytes}, {"checksums", report.num_checksums}};
}

VerifyReport Verify(const std::string& dir, const InspectOptions& options,
                    const WeightDirectoryOptions& directory) {
  Progress progress;
  VerifyOptions verify;
  verify.directory = directory;
  verify.sha256_list = options.sha256_file;
  verify.on_progress = [&](double share) {
    ThrowIfInterrupted();
    progress.Update("verifying", share);
  };
  return VerifyDirectory(dir, verify);
}

void Print(const VerifyReport& report) {
  for (const Finding& finding : report.findings) {
    std::string line = finding.where + ": " + finding.problem;
    if (!finding.advice.empty()) line += "; " + finding.advice;
    if (finding.is_error) {
      LogError(line);
    } else {
      LogWarning("warning: " + line);
    }
  }
  fmt::print("verified: {} tensors in {} files, {}, {} checksums; {} findings\n",
             report.num_tensors, report.num_files, Megabytes(report.num_bytes),
             report.num_checksums, report.findings.size());
}

// What the directory holds, in words or JSON; it must open.
Json Describe(const std::string& dir, const InspectOptions& options,
              const WeightDirectoryOptions& directory) {
  const WeightDirectory weights = WeightDirectory::Open(dir, directory);
  const Census census =
      TakeCensus(weights.checkpoint, weights.config, weights.kind, options.context);
  std::optional<PictureForecast> picture;
  if (!options.prompt.images.empty()) picture = ForecastPicture(options, weights, census);
  if (options.json) {
    Json json = ToJson(census);
    if (weights.quantization) json["quantization"] = weights.quantization->type;
    if (picture) json["picture"] = ToJson(*picture);
    return json;
  }
  for (const std::string& line : weights.warnings) LogWarning("warning: " + line);
  fmt::print("InternLM-XComposer2-{} in {}\n", Name(census.kind), dir);
  fmt::print("files        {}\n", fmt::join(census.files, ", "));
  if (weights.quantization) fmt::print("quantized as {}\n", weights.quantization->type);
  PrintShapes(weights.config);
  if (weights.lora_adapter) {
    fmt::print("LoRA on top  of {} linears\n", weights.lora_adapter->size());
  }
  PrintTable(census);
  if (picture) Print(*picture, options.prompt.prompt);
  return {};
}

}  // namespace

int Run(const InspectOptions& options) {
  const std::string dir = ModelDirOrDefault(options.model_dir);
  const WeightDirectoryOptions directory{options.vit_dir, options.lora_dir,
                                         options.allow_missing_adapters};
  CatchInterrupts();
  std::optional<VerifyReport> report;
  if (options.verify) report = Verify(dir, options, directory);
  Json json = Json::object();
  // A directory that does not open has its findings and nothing else.
  if (!report || !report->kind.empty()) json = Describe(dir, options, directory);
  if (report && !options.json) Print(*report);
  if (report && options.json) {
    json["directory"] = dir;
    json["verify"] = ToJson(*report);
  }
  if (options.json) fmt::print("{}\n", ToText(json));
  return report && report->HasErrors() ? 1 : 0;
}

}  // namespace ixc
