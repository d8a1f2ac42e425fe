#include "cli/request_builder.h"

#include <cinttypes>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/default_model.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "image/decode.h"
#include "image/exif.h"

namespace ixc {

namespace {

// Bytes that the system can give without swapping; all there are where it does not say.
uint64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    uint64_t kibibytes = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %" SCNu64 " kB", &kibibytes) == 1) {
      return kibibytes * 1024;
    }
  }
  return UINT64_MAX;
}

}  // namespace

EngineOptions ToEngineOptions(const ModelOptions& options) {
  EngineOptions engine;
  engine.model_dir = ModelDirOrDefault(options.model_dir);
  engine.num_threads = options.num_threads;
  engine.isa = options.isa;
  engine.compute = options.compute == "fp32" ? ComputeMode::kFloat32 : ComputeMode::kNative;
  engine.dtype = options.dtype;
  engine.scheme = options.scheme;
  engine.group = options.group;
  engine.kv = options.kv;
  engine.pack_cache = options.pack_cache;
  engine.verify_pack = options.verify_pack;
  engine.on_note = [](const std::string& note) { LogInfo(note); };
  engine.max_memory = options.max_memory;
  // Shown when it was asked for, and when it will not go well.
  engine.on_memory_plan = [asked = options.max_memory > 0](uint64_t bytes,
                                                           const std::string& line) {
    if (asked) {
      LogNotice(line);
    } else if (bytes > AvailableMemory()) {
      LogWarning(line);
    } else {
      LogInfo(line);
    }
  };
  engine.vit_dir = options.vit_dir;
  engine.lora_dir = options.lora_dir;
  engine.merge_lora = options.merge_lora;
  engine.allow_missing_adapters = options.allow_missing_adapters;
  engine.on_warning = [](const std::string& line) { LogWarning("warning: " + line); };
  return engine;
}

EngineOptions ToEngineOptions(const ModelOptions& options, Progress& progress) {
  EngineOptions engine = ToEngineOptions(options);
  engine.on_load_progress = [&progress](double share) {
    ThrowIfInterrupted();
    progress.Update("loading weights", share);
  };
  return engine;
}

Request ToRequest(const PromptOptions& options, ImageMarks default_marks) {
  Request request;
  request.query = options.prompt;
  request.system = options.system;
  request.allow_control_tokens = options.allow_control_tokens;
  request.generation = options.generation;
  request.image_marks = default_marks;
  if (options.image_marks == "strict") request.image_marks = ImageMarks::kStrict;
  if (options.image_marks == "loose") request.image_marks = ImageMarks::kLoose;
  if (!options.history_file.empty()) {
    ContinueConversation(ReadConversation(options.history_file), options, request);
  }
  return request;
}

void ContinueConversation(const SavedConversation& saved, const PromptOptions& options,
                          Request& request) {
  request.history = saved.turns;
  if (!options.system) request.system = saved.system;
  for (const auto& picture : saved.pictures) {
    AddPicture(picture.file, picture.hd_num, options, request);
  }
}

void AddPicture(const std::string& path, int hd_num, const PromptOptions& options,
                Request& request) {
  request.images.push_back(LoadPicture(path, options));
  request.hd_num.push_back(hd_num);
}

void AddPictures(const std::vector<std::string>& paths, const PromptOptions& options,
                 Request& request) {
  const auto& given = options.hd_num;
  if (given.size() > 1 && given.size() != paths.size()) {
    Fail("{} hd numbers for {} pictures; give one for all or one a picture", given.size(),
         paths.size());
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    const int hd_num = given.empty() ? kDefaultHdNum : given[given.size() == 1 ? 0 : i];
    AddPicture(paths[i], hd_num, options, request);
  }
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
