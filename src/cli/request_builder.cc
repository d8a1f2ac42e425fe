#include "cli/request_builder.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "cli/default_model.h"
#include "image/decode.h"
#include "image/exif.h"

namespace ixc {

namespace {

std::vector<std::pair<std::string, std::string>> ReadHistory(const std::string& path) {
  const Json json = ReadJsonFile(path);
  const auto is_pair = [](const Json& item) {
    return item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string();
  };
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_pair)) {
    Fail("{}: wanted a list of [question, answer] pairs of strings", path);
  }
  std::vector<std::pair<std::string, std::string>> history;
  for (const Json& item : json) {
    history.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
  }
  return history;
}

}  // namespace

EngineOptions ToEngineOptions(const ModelOptions& options) {
  EngineOptions engine;
  engine.model_dir = ModelDirOrDefault(options.model_dir);
  engine.num_threads = options.num_threads;
  engine.isa = options.isa;
  engine.compute = options.compute == "fp32" ? ComputeMode::kFloat32 : ComputeMode::kNative;
  engine.dtype = options.dtype;
  return engine;
}

Request ToRequest(const PromptOptions& options, ImageMarks default_marks) {
  Request request;
  request.query = options.prompt;
  request.system = options.system;
  request.hd_num = options.hd_num;
  request.allow_control_tokens = options.allow_control_tokens;
  request.generation = options.generation;
  request.image_marks = default_marks;
  if (options.image_marks == "strict") request.image_marks = ImageMarks::kStrict;
  if (options.image_marks == "loose") request.image_marks = ImageMarks::kLoose;
  if (!options.history_file.empty()) request.history = ReadHistory(options.history_file);
  return request;
}

Image LoadPicture(const std::string& path, const PromptOptions& options) {
  ImageLimits limits;
  limits.max_pixels = options.max_megapixels * 1'000'000;
  limits.max_side = options.max_side;
  limits.max_file_bytes = static_cast<size_t>(options.max_file_mib) << 20;
  Image image = LoadImage(path, limits);
  if (options.exif_rotate) {
    const MappedFile file(path);
    image = ApplyExifOrientation(std::move(image), ExifOrientation(file.bytes()));
  }
  return image;
}

}  // namespace ixc
