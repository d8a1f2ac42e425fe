#include "formats/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/half.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "formats/tensor_file.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr int64_t kChunk = 1 << 16;  // elements cast at a time

std::string OutputName(const fs::path& file) {
  std::string stem = file.stem().string();
  constexpr std::string_view kPrefix = "pytorch_";
  if (stem.starts_with(kPrefix)) stem.erase(0, kPrefix.size());
  return stem + ".safetensors";
}

bool IsWeightOrIndex(std::string_view name) {
  return name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json");
}

const char* TorchName(DType dtype) {
  if (dtype == DType::kF32) return "float32";
  return dtype == DType::kF16 ? "float16" : "bfloat16";
}

// Elements [first, first + count) of a floating-point tensor.
std::vector<float> ReadChunk(const TensorView& tensor, int64_t first, int64_t count) {
  const TensorView chunk{
      tensor.dtype, {count}, tensor.data + static_cast<size_t>(first) * SizeOf(tensor.dtype)};
  return ReadAsFloat(chunk, "chunk");
}

template <typename T, typename Round>
uint64_t WriteRounded(const std::vector<float>& values, AtomicFile& out, Round round) {
  std::vector<T> rounded(values.size());
  std::transform(values.begin(), values.end(), rounded.begin(), round);
  out.Write(std::as_bytes(std::span(rounded)));
  uint64_t overflows = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    overflows += std::isfinite(values[i]) && !std::isfinite(ToFloat(rounded[i]));
  }
  return overflows;
}

// Writes a tensor in another floating-point type; the number of values that became infinite.
uint64_t WriteCast(const TensorView& tensor, DType dtype, AtomicFile& out) {
  uint64_t overflows = 0;
  const int64_t elements = tensor.NumElements();
  for (int64_t first = 0; first < elements; first += kChunk) {
    const std::vector<float> values = ReadChunk(tensor, first, std::min(kChunk, elements - first));
    if (dtype == DType::kF16) {
      overflows += WriteRounded<Half>(values, out, ToHalf);
    } else if (dtype == DType::kBF16) {
      overflows += WriteRounded<BFloat16>(values, out, ToBFloat16);
    } else {
      out.Write(std::as_bytes(std::span(values)));
    }
  }
  return overflows;
}

class Converter {
 public:
  Converter(fs::path destination, const ConvertOptions& options)
      : destination_(std::move(destination)), options_(options) {}

  void WriteWeights(const TensorFile& file) {
    const std::string name = OutputName(file.path());
    std::vector<TensorSource> sources;
    for (const NamedTensor& tensor : file.contents().tensors) {
      sources.push_back(SourceFor(tensor));
      index_[tensor.name] = name;
    }
    WriteSafetensors(destination_ / name, std::move(sources), {{"format", "pt"}});
    ReadBack(file, destination_ / name);
    report_.files.push_back(name);
  }

  ConvertReport Finish() {
    if (report_.files.size() > 1) {
      Json index;
      index["metadata"]["total_size"] = report_.num_bytes;
      index["weight_map"] = index_;
      AtomicFile out(destination_ / kIndexName);
      out.Write(index.dump(2) + "\n");
      out.Commit();
    }
    return std::move(report_);
  }

 private:
  bool IsCast(const TensorView& tensor) const {
    return options_.dtype && IsFloat(tensor.dtype) && tensor.dtype != *options_.dtype;
  }

  TensorSource SourceFor(const NamedTensor& tensor) {
    TensorSource source = SourceOf(tensor.name, tensor.view);
    const bool cast = IsCast(tensor.view);
    if (cast) source.dtype = *options_.dtype;
    source.write = [this, cast, view = &tensor.view](AtomicFile& out) {
      const uint64_t begin = out.size();
      if (cast) {
        report_.num_overflows += WriteCast(*view, *options_.dtype, out);
      } else {
        out.Write(std::span(view->data, view->NumBytes()));
      }
      ++report_.num_tensors;
      report_.num_bytes += out.size() - begin;
      bytes_read_ += view->NumBytes();
      if (options_.on_progress) options_.on_progress(bytes_read_);
    };
    return source;
  }

  // Disks and network file systems do lose data without a word: what was written is compared.
  void ReadBack(const TensorFile& original, const fs::path& path) const {
    const TensorFile written(path);
    std::map<std::string_view, const TensorView*> views;
    for (const NamedTensor& tensor : written.contents().tensors) {
      views[tensor.name] = &tensor.view;
    }
    for (const NamedTensor& tensor : original.contents().tensors) {
      const auto it = views.find(tensor.name);
      const bool same = it != views.end() && it->second->shape == tensor.view.shape &&
                        (IsCast(tensor.view) || std::memcmp(it->second->data, tensor.view.data,
                                                            tensor.view.NumBytes()) == 0);
      if (!same) Fail("{}: tensor '{}' does not read back as written", path.string(), tensor.name);
    }
  }

  fs::path destination_;
  const ConvertOptions& options_;
  std::map<std::string, std::string> index_;
  ConvertReport report_;
  uint64_t bytes_read_ = 0;
};

// Everything that is to be written, so that a refusal comes before the first byte.
void RefuseExisting(const fs::path& destination, const std::set<std::string>& names) {
  for (const std::string& name : names) {
    std::error_code code;
    if (fs::exists(destination / name, code)) {
      Fail("{}: exists; remove it or allow overwriting", (destination / name).string());
    }
  }
}

std::set<std::string> OtherFiles(const fs::path& source) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !IsWeightOrIndex(name)) names.insert(name);
  }
  return names;
}

void WriteConfig(const fs::path& source, const fs::path& destination, DType dtype) {
  Json config = ReadJsonFile(source / "config.json");
  if (!config.is_object()) Fail("{}: not a JSON object", (source / "config.json").string());
  config["torch_dtype"] = TorchName(dtype);
  AtomicFile out(destination / "config.json");
  out.Write(config.dump(2) + "\n");
  out.Commit();
}

}  // namespace

ConvertReport ConvertCheckpoint(const fs::path& source, const fs::path& destination,
                                const ConvertOptions& options) {
  const Checkpoint checkpoint = Checkpoint::Open(source);
  std::error_code code;
  fs::create_directories(destination, code);
  if (code) Fail("{}: cannot be created: {}", destination.string(), code.message());
  const bool in_place = fs::equivalent(source, destination, code);

  const std::set<std::string> others = in_place ? std::set<std::string>() : OtherFiles(source);
  if (!options.overwrite) {
    std::set<std::string> names = others;
    for (const TensorFile* file : checkpoint.files()) names.insert(OutputName(file->path()));
    if (checkpoint.files().size() > 1) names.insert(kIndexName);
    RefuseExisting(destination, names);
  }

  Converter converter(destination, options);
  for (const TensorFile* file : checkpoint.files()) converter.WriteWeights(*file);
  for (const std::string& name : others) {
    fs::copy_file(source / name, destination / name, fs::copy_options::overwrite_existing, code);
    if (code) Fail("{}: cannot be copied: {}", (source / name).string(), code.message());
  }
  if (options.dtype && fs::exists(source / "config.json", code)) {
    WriteConfig(source, destination, *options.dtype);
  }
  return converter.Finish();
}

}  // namespace ixc
