#include "formats/convert.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/half.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/resumable_file.h"
#include "formats/checkpoint.h"
#include "formats/convert_plan.h"
#include "formats/quant_description.h"
#include "formats/safetensors.h"
#include "formats/staging_directory.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCastElements = 1 << 16;      // at a time
constexpr size_t kCopyBytes = size_t{8} << 20;  // at a time

bool IsWeightOrIndex(std::string_view name) {
  return name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json");
}

const char* TorchName(DType dtype) {
  if (dtype == DType::kF32) return "float32";
  return dtype == DType::kF16 ? "float16" : "bfloat16";
}

// Elements [first, first + count) of a floating-point tensor.
std::vector<float> ReadElements(const TensorView& tensor, int64_t first, int64_t count) {
  const std::byte* data = tensor.data + static_cast<size_t>(first) * SizeOf(tensor.dtype);
  if (tensor.dtype != DType::kF64) return ReadAsFloat({tensor.dtype, {count}, data}, "chunk");
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    double value;
    std::memcpy(&value, data + i * sizeof(double), sizeof(double));
    values[i] = static_cast<float>(value);
  }
  return values;
}

template <typename T, typename Round>
uint64_t WriteRounded(const std::vector<float>& values, ByteSink& out, Round round) {
  std::vector<T> rounded(values.size());
  std::transform(values.begin(), values.end(), rounded.begin(), round);
  out.Write(std::as_bytes(std::span(rounded)));
  uint64_t overflows = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    overflows += std::isfinite(values[i]) && !std::isfinite(ToFloat(rounded[i]));
  }
  return overflows;
}

// Writes values in a type; the number of them that became infinite.
uint64_t WriteAs(DType dtype, const std::vector<float>& values, ByteSink& out) {
  if (dtype == DType::kF16) return WriteRounded<Half>(values, out, ToHalf);
  if (dtype == DType::kBF16) return WriteRounded<BFloat16>(values, out, ToBFloat16);
  out.Write(std::as_bytes(std::span(values)));
  return 0;
}

// Passes bytes on and remembers their checksum.
class HashingSink : public ByteSink {
 public:
  explicit HashingSink(ByteSink& out) : out_(out), state_(XXH3_createState(), XXH3_freeState) {
    XXH3_64bits_reset(state_.get());
  }
  using ByteSink::Write;
  void Write(std::span<const std::byte> bytes) override {
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
    out_.Write(bytes);
  }
  uint64_t size() const override { return out_.size(); }
  uint64_t hash() const { return XXH3_64bits_digest(state_.get()); }

 private:
  ByteSink& out_;
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

// Takes bytes and keeps none.
class NullSink : public ByteSink {
 public:
  using ByteSink::Write;
  void Write(std::span<const std::byte> bytes) override { size_ += bytes.size(); }
  uint64_t size() const override { return size_; }

 private:
  uint64_t size_ = 0;
};

class Converter {
 public:
  Converter(StagingDirectory& staging, const ConvertPlan& plan, const ConvertOptions& options)
      : staging_(staging), plan_(plan), options_(options) {}

  void WriteShard(const PlannedShard& shard) {
    const fs::path path = staging_.PathOf(shard.name);
    std::vector<TensorSource> sources;
    for (const PlannedTensor& tensor : shard.tensors) sources.push_back(SourceFor(tensor));
    ResumableFile file(path);
    HashingSink hashed(file);
    WriteSafetensors(hashed, path.string(), std::move(sources), shard.metadata);
    file.Finish();
    report_.num_kept_bytes += file.kept_bytes();
    if (file.kept_bytes() == file.size()) {
      Advance(shard.num_bytes);  // compared byte by byte already
    } else {
      ReadBack(path, hashed.hash());
    }
    report_.files.push_back(shard.name);
  }

  ConvertReport Finish() { return std::move(report_); }

 private:
  TensorSource SourceFor(const PlannedTensor& planned) {
    TensorSource source;
    source.name = planned.tensor->name;
    source.dtype = planned.dtype;
    source.shape = planned.tensor->view.shape;
    source.write = [this, &planned](ByteSink& out) {
      if (planned.dtype == planned.tensor->view.dtype) {
        WriteCopy(planned, out);
      } else {
        WriteCast(planned, out);
      }
      ++report_.num_tensors;
      report_.num_bytes += planned.num_bytes;
    };
    return source;
  }

  void WriteCopy(const PlannedTensor& planned, ByteSink& out) {
    const TensorView& view = planned.tensor->view;
    std::span<const std::byte> rest(view.data, view.NumBytes());
    while (!rest.empty()) {
      const auto bytes = rest.first(std::min(rest.size(), kCopyBytes));
      out.Write(bytes);
      planned.file->Release(bytes);
      Advance(bytes.size());
      rest = rest.subspan(bytes.size());
    }
  }

  void WriteCast(const PlannedTensor& planned, ByteSink& out) {
    const TensorView& view = planned.tensor->view;
    const int64_t elements = view.NumElements();
    for (int64_t first = 0; first < elements; first += kCastElements) {
      const int64_t count = std::min(kCastElements, elements - first);
      const uint64_t before = out.size();
      report_.num_overflows += WriteAs(planned.dtype, ReadElements(view, first, count), out);
      Advance(out.size() - before);
      // Pages that two steps share are let go with the second one.
      const size_t end = static_cast<size_t>(first + count) * SizeOf(view.dtype);
      const size_t begin = static_cast<size_t>(first) * SizeOf(view.dtype);
      const size_t overlap = std::min<size_t>(begin, 1 << 16);
      planned.file->Release({view.data + begin - overlap, end - begin + overlap});
    }
  }

  // Disks and network file systems do lose data without a word: what was written is read again.
  void ReadBack(const fs::path& path, uint64_t expected) {
    const MappedFile file(path);
    NullSink nothing;
    HashingSink hashed(nothing);
    std::span<const std::byte> rest = file.bytes();
    while (!rest.empty()) {
      const auto bytes = rest.first(std::min(rest.size(), kCopyBytes));
      hashed.Write(bytes);
      file.Release(bytes);
      Advance(bytes.size());
      rest = rest.subspan(bytes.size());
    }
    if (hashed.hash() != expected) {
      Fail("{}: does not read back as written; check the disk and convert again", path.string());
    }
  }

  // Every byte is written once and read back once.
  void Advance(uint64_t bytes) {
    done_bytes_ += bytes;
    if (!options_.on_progress) return;
    const double all = 2.0 * static_cast<double>(std::max<uint64_t>(plan_.num_bytes, 1));
    options_.on_progress(std::min(1.0, static_cast<double>(done_bytes_) / all));
  }

  StagingDirectory& staging_;
  const ConvertPlan& plan_;
  const ConvertOptions& options_;
  ConvertReport report_;
  uint64_t done_bytes_ = 0;
};

// Configuration, tokenizer and whatever else lies beside the weights.
std::vector<std::string> OtherFiles(const fs::path& source) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !IsWeightOrIndex(name) && !name.starts_with('.')) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

void WriteStaged(const fs::path& path, std::span<const std::byte> bytes) {
  ResumableFile file(path);
  file.Write(bytes);
  file.Finish();
}

std::string ConfigWithDType(const fs::path& path, DType dtype) {
  Json config = ReadJsonFile(path);
  if (!config.is_object()) Fail("{}: not a JSON object", path.string());
  config["torch_dtype"] = TorchName(dtype);
  return ToText(config, 2) + "\n";
}

// Size and time of a file, to notice that the source is not the same any more.
Json StampOf(const fs::path& path) {
  struct stat status = {};
  stat(path.c_str(), &status);
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

// What was asked for, and the result: enough to finish without reading anything again.
Json NoteOf(const fs::path& source, const ConvertOptions& options, const ConvertReport& report,
            const Checkpoint& checkpoint) {
  Json note;
  note["source"] = fs::canonical(source).string();
  note["dtype"] = options.dtype ? Name(*options.dtype) : "";
  note["max_shard_bytes"] = options.max_shard_bytes;
  for (const TensorFile* file : checkpoint.files()) {
    note["inputs"][file->path().filename().string()] = StampOf(file->path());
  }
  note["files"] = report.files;
  note["num_tensors"] = report.num_tensors;
  note["num_bytes"] = report.num_bytes;
  note["num_overflows"] = report.num_overflows;
  return note;
}

// Finishes a run that was killed while it put its files in place.
ConvertReport FinishPending(const fs::path& source, const fs::path& destination,
                            const ConvertOptions& options, const std::string& note_text) {
  const Json note = ParseJson(note_text, destination.string());
  bool same = note.at("source") == fs::canonical(source).string() &&
              note.at("dtype") == (options.dtype ? Name(*options.dtype) : "") &&
              note.at("max_shard_bytes") == options.max_shard_bytes;
  for (const auto& [name, stamp] : note.at("inputs").items()) {
    same = same && stamp == StampOf(source / name);
  }
  if (!same) {
    Fail(
        "{}: the conversion of '{}' into this directory was interrupted; run that one again first, "
        "or remove the directory",
        destination.string(), note.at("source").get<std::string>());
  }
  StagingDirectory(destination).ResumePublishing();
  ConvertReport report;
  report.files = note.at("files").get<std::vector<std::string>>();
  report.num_tensors = note.at("num_tensors").get<uint64_t>();
  report.num_bytes = report.num_kept_bytes = note.at("num_bytes").get<uint64_t>();
  report.num_overflows = note.at("num_overflows").get<uint64_t>();
  return report;
}

// Names of files to be written, weights first, config.json last: nothing opens the directory as a
// model before that one is there.
std::vector<std::string> OutputNames(const ConvertPlan& plan, std::vector<std::string> others) {
  std::vector<std::string> names;
  for (const PlannedShard& shard : plan.shards) names.push_back(shard.name);
  std::stable_partition(others.begin(), others.end(),
                        [](const std::string& name) { return name != "config.json"; });
  names.insert(names.end(), others.begin(), others.end());
  if (plan.index.empty()) return names;
  const bool has_config = !others.empty() && others.back() == "config.json";
  names.insert(names.end() - (has_config ? 1 : 0), kSafetensorsIndexName);
  return names;
}

struct Paths {
  fs::path source;
  fs::path destination;
  bool in_place = false;
};

// Everything that speaks against a conversion, so that a refusal comes before the first byte.
void CheckDestination(const Paths& paths, const Checkpoint& checkpoint,
                      const std::vector<std::string>& names, bool overwrite) {
  const std::string where = paths.destination.string();
  const auto is_output = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::set<std::string> inputs;
  for (const TensorFile* file : checkpoint.files()) {
    if (paths.in_place) inputs.insert(file->path().filename().string());
  }
  std::error_code code;
  if (!fs::exists(paths.destination, code)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(paths.destination, code)) {
    const std::string name = entry.path().filename().string();
    const bool is_weight = name.ends_with(".safetensors") || name.ends_with(".bin");
    if (is_output(name) && inputs.contains(name)) {
      Fail("{}: its own '{}' would be overwritten; convert into another directory", where, name);
    }
    // In place only config.json is both read and written.
    const bool is_own_config = paths.in_place && name == "config.json";
    if (is_output(name) && !overwrite && !is_own_config) {
      Fail("{}: exists; remove it or allow overwriting with --overwrite",
           (paths.destination / name).string());
    }
    if (!is_output(name) && is_weight && !paths.in_place) {
      Fail("{}: holds weights of its own, '{}'; convert into another directory or remove them",
           where, name);
    }
  }
  if (code) Fail("{}: cannot be listed: {}", where, code.message());
}

void CheckSpace(const fs::path& destination, const ConvertPlan& plan,
                const StagingDirectory& staging) {
  uint64_t staged = 0;
  std::error_code code;
  for (const PlannedShard& shard : plan.shards) {
    const uintmax_t size = fs::file_size(staging.PathOf(shard.name), code);
    if (!code) staged += std::min<uint64_t>(size, shard.num_bytes);
  }
  const fs::space_info space = fs::space(destination, code);
  if (code || space.available >= plan.num_bytes - staged) return;
  Fail("{}: {:.1f} GB are needed and {:.1f} GB free; make room or choose another disk",
       destination.string(), static_cast<double>(plan.num_bytes - staged) / 1e9,
       static_cast<double>(space.available) / 1e9);
}

}  // namespace

ConvertReport ConvertCheckpoint(const fs::path& source, const fs::path& destination,
                                const ConvertOptions& options) {
  if (const auto note = StagingDirectory::PendingNote(destination)) {
    return FinishPending(source, destination, options, *note);
  }
  if (options.dtype && ReadQuantDescription(source, source)) {
    Fail("{}: quantized weights and their scales keep their types; leave the dtype out",
         source.string());
  }
  const Checkpoint checkpoint = Checkpoint::Open(source);
  const ConvertPlan plan = PlanConversion(checkpoint, options.dtype, options.max_shard_bytes);
  std::error_code code;
  const Paths paths{source, destination, fs::equivalent(source, destination, code)};
  const bool writes_config = options.dtype && fs::exists(source / "config.json", code);
  std::vector<std::string> others;
  if (!paths.in_place) others = OtherFiles(source);
  if (paths.in_place && writes_config) others = {"config.json"};
  const std::vector<std::string> names = OutputNames(plan, others);
  CheckDestination(paths, checkpoint, names, options.overwrite);

  StagingDirectory staging(destination);
  CheckSpace(destination, plan, staging);
  Converter converter(staging, plan, options);
  for (const PlannedShard& shard : plan.shards) converter.WriteShard(shard);
  for (const std::string& name : others) {
    if (name == "config.json" && writes_config) {
      const std::string config = ConfigWithDType(source / name, *options.dtype);
      WriteStaged(staging.PathOf(name), std::as_bytes(std::span(config)));
    } else {
      WriteStaged(staging.PathOf(name), MappedFile(source / name).bytes());
    }
  }
  if (!plan.index.empty()) {
    WriteStaged(staging.PathOf(kSafetensorsIndexName), std::as_bytes(std::span(plan.index)));
  }
  ConvertReport report = converter.Finish();
  staging.Publish(names, ToText(NoteOf(source, options, report, checkpoint)));
  return report;
}

}  // namespace ixc
