#include "cli/quantize_report.h"

#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "engine/pipeline.h"
#include "eval/calibration.h"
#include "eval/compare.h"
#include "formats/checkpoint.h"

namespace ixc {

namespace {

namespace fs = std::filesystem;
using OnProgress = std::function<void(const char* stage, double share)>;

constexpr int kAnswerTokens = 128;  // of a picture: longer answers are cut

std::unique_ptr<Pipeline> LoadModel(const std::string& directory,
                                    const QuantizeCommandOptions& options,
                                    const OnProgress& on_progress) {
  EngineOptions engine;
  engine.model_dir = directory;
  engine.num_threads = options.num_threads;
  engine.isa = options.isa;
  engine.on_load_progress = [&](double share) { on_progress("loading weights", share); };
  return Pipeline::Load(engine);
}

std::vector<fs::path> PicturesIn(const std::string& directory) {
  std::vector<fs::path> paths;
  std::error_code code;
  fs::directory_iterator entries(directory, code);
  if (code) Fail("{}: cannot be listed: {}", directory, code.message());
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) Fail("{}: no pictures", directory);
  return paths;
}

Recording RecordTexts(const Pipeline& pipeline, const std::string& file,
                      const OnProgress& on_progress) {
  Recording recording;
  if (file.empty()) return recording;
  const auto samples =
      TokenizeCalibration(ReadCalibrationTexts(file), pipeline.tokenizer(),
                          MaxPromptTokens(pipeline.model().kind(), pipeline.model().config()));
  for (size_t i = 0; i < samples.size(); ++i) {
    on_progress("float model: texts", static_cast<double>(i) / static_cast<double>(samples.size()));
    recording.AddText(pipeline, samples[i]);
  }
  return recording;
}

Recording RecordPictures(const Pipeline& pipeline, const std::string& directory,
                         const OnProgress& on_progress) {
  Recording recording;
  if (directory.empty()) return recording;
  const std::vector<fs::path> paths = PicturesIn(directory);
  for (size_t i = 0; i < paths.size(); ++i) {
    on_progress("float model: pictures",
                static_cast<double>(i) / static_cast<double>(paths.size()));
    Request request;
    request.query = "Please describe this image in detail.";
    request.images.push_back(LoadImage(paths[i].string()));
    request.generation.max_new_tokens = kAnswerTokens;
    recording.AddPicture(pipeline, request);
  }
  return recording;
}

Json ToJson(const Recording& recording, const char* kind, const Recording::Result& result) {
  Json json = {{kind, recording.size()},
               {"positions", result.agreement.positions},
               {"kl", result.agreement.MeanKl()},
               {"top1", result.agreement.TopShare()}};
  if (result.answers > 0) {
    json["unchanged"] = static_cast<double>(result.unchanged) / static_cast<double>(result.answers);
  }
  return json;
}

uint64_t WeightFileBytes(const std::string& directory) {
  const Checkpoint checkpoint = Checkpoint::Open(directory);
  uint64_t bytes = 0;
  for (std::string_view name : checkpoint.names()) bytes += checkpoint.Find(name)->NumBytes();
  return bytes;
}

}  // namespace

void WriteQuantizeReport(const QuantizeCommandOptions& options, const QuantizeReport& quantized,
                         const OnProgress& on_progress) {
  struct Part {
    const char* name;
    const char* kind;
    Recording recording;
  };
  std::vector<Part> parts;
  {
    const auto reference = LoadModel(options.source, options, on_progress);
    parts.push_back(
        {"calibration", "texts", RecordTexts(*reference, options.calibration_file, on_progress)});
    parts.push_back({"texts", "texts", RecordTexts(*reference, options.report_texts, on_progress)});
    parts.push_back(
        {"pictures", "pictures", RecordPictures(*reference, options.report_images, on_progress)});
  }  // before the other one is loaded
  const auto model = LoadModel(options.destination, options, on_progress);
  Json report = {{"scheme", options.scheme}};
  if (options.scheme == "w4") report["group"] = options.group;
  report["bits_per_weight"] = 8.0 * static_cast<double>(quantized.quantized_bytes) /
                              static_cast<double>(std::max<uint64_t>(quantized.num_weights, 1));
  report["bytes"] = quantized.num_bytes;
  report["source_bytes"] = WeightFileBytes(options.source);
  for (const Part& part : parts) {
    if (part.recording.size() == 0) continue;
    const auto result = part.recording.Compare(
        *model, [&](double share) { on_progress("quantized model", share); });
    report[part.name] = ToJson(part.recording, part.kind, result);
  }
  WriteWholeFile(options.report_file, ToText(report, 2) + "\n");
}

}  // namespace ixc
