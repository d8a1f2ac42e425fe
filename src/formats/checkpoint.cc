#include "formats/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

using WeightMap = std::map<std::string, std::string>;

// One of the two families of file names.
struct Family {
  std::string_view stem;
  std::string_view extension;
};
constexpr Family kFamilies[] = {{"model", ".safetensors"}, {"pytorch_model", ".bin"}};

bool Exists(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

std::vector<std::string> FilesWithExtension(const fs::path& directory, std::string_view extension) {
  std::error_code code;
  fs::directory_iterator entries(directory, code);
  if (code) Fail("{}: cannot be listed: {}", directory.string(), code.message());
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(extension) && !name.starts_with('.') && !IsTrainingState(name)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "model-00002-of-00003.safetensors" is part 2 of 3 of "model".
struct ShardName {
  std::string stem;
  int part = 0;
  int parts = 0;
};

std::optional<int> ParseDigits(std::string_view digits) {
  int value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<ShardName> ParseShardName(std::string_view name, std::string_view extension) {
  name.remove_suffix(extension.size());
  const size_t of = name.rfind("-of-");
  if (of == name.npos || of == 0) return std::nullopt;
  const size_t dash = name.rfind('-', of - 1);
  if (dash == name.npos) return std::nullopt;
  const auto part = ParseDigits(name.substr(dash + 1, of - dash - 1));
  const auto parts = ParseDigits(name.substr(of + 4));
  if (!part || !parts) return std::nullopt;
  return ShardName{std::string(name.substr(0, dash)), *part, *parts};
}

// The file of a download in progress, or one that stopped: names of browsers, curl, aria2, and
// Hugging Face's own client.
std::optional<std::string> UnfinishedDownload(const fs::path& directory) {
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    for (std::string_view end : {".incomplete", ".part", ".partial", ".crdownload", ".aria2"}) {
      if (name.ends_with(end)) return name;
    }
  }
  return std::nullopt;
}

[[noreturn]] void FailIncomplete(const fs::path& directory, const std::string& missing,
                                 const std::string& reason) {
  const std::optional<std::string> part = UnfinishedDownload(directory);
  Fail("{}: '{}' is missing, {}: the download is incomplete{}; fetch it again", directory.string(),
       missing, reason, part ? fmt::format(" ('{}' is there)", *part) : "");
}

// Shards without an index must be one complete set.
void CheckShardSet(const fs::path& directory, const std::vector<std::string>& names,
                   std::string_view extension) {
  std::set<int> parts;
  std::optional<ShardName> first;
  for (const std::string& name : names) {
    const std::optional<ShardName> shard = ParseShardName(name, extension);
    if (!first) first = shard;
    if (!shard || shard->stem != first->stem || shard->parts != first->parts) {
      Fail(
          "{}: '{}' and '{}' are not of one set and there is no index; keep the files of one model",
          directory.string(), names.front(), name);
    }
    parts.insert(shard->part);
  }
  for (int part = 1; part <= first->parts; ++part) {
    if (!parts.contains(part)) {
      const std::string missing =
          fmt::format("{}-{:05}-of-{:05}{}", first->stem, part, first->parts, extension);
      FailIncomplete(directory, missing, fmt::format("one of {} parts", first->parts));
    }
  }
}

WeightMap ReadIndex(const fs::path& path) {
  return ParseWeightIndex(MappedFile(path).text(), path.string());
}

std::vector<std::string> FilesOf(const fs::path& directory, const std::string& index_name,
                                 const WeightMap& weight_map) {
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map) names.insert(file);
  for (const std::string& name : names) {
    if (!Exists(directory / name)) {
      FailIncomplete(directory, name,
                     fmt::format("one of {} files of {}", names.size(), index_name));
    }
  }
  return {names.begin(), names.end()};
}

struct FileSet {
  std::vector<std::string> names;
  std::string index_name;  // empty: no index
  WeightMap weight_map;
};

// The files of one family; empty when the directory has none.
FileSet FindFiles(const fs::path& directory, const Family& family) {
  const std::string single = fmt::format("{}{}", family.stem, family.extension);
  if (Exists(directory / single)) return {{single}, "", {}};
  const std::vector<std::string> indexes =
      FilesWithExtension(directory, fmt::format("{}.index.json", family.extension));
  if (indexes.size() > 1) {
    Fail("{}: '{}' and '{}': wanted one index", directory.string(), indexes[0], indexes[1]);
  }
  if (indexes.size() == 1) {
    WeightMap weight_map = ReadIndex(directory / indexes[0]);
    std::vector<std::string> names = FilesOf(directory, indexes[0], weight_map);
    return {std::move(names), indexes[0], std::move(weight_map)};
  }
  std::vector<std::string> names = FilesWithExtension(directory, family.extension);
  const bool one_whole = names.size() == 1 && !ParseShardName(names[0], family.extension);
  if (!names.empty() && !one_whole) CheckShardSet(directory, names, family.extension);
  return {std::move(names), "", {}};
}

}  // namespace

bool IsTrainingState(std::string_view name) {
  for (std::string_view part : {"args", "arguments", "training", "optimizer", "scheduler"}) {
    if (name.find(part) != name.npos) return true;
  }
  return false;
}

WeightMap ParseWeightIndex(std::string_view text, const std::string& where) {
  const Json index = ParseJson(text, where);
  JsonFields(index, where).Object("weight_map");
  WeightMap weight_map;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\") != name.npos) {
      Fail("{}: tensor '{}' wanted a file name inside the directory, found {}", where, tensor,
           file.dump());
    }
    weight_map.emplace(tensor, name);
  }
  return weight_map;
}

Checkpoint Checkpoint::Open(const fs::path& directory) {
  std::error_code code;
  if (!fs::is_directory(directory, code)) {
    Fail("{}: wanted a model directory, found {}", directory.string(),
         Exists(directory) ? "a file" : "nothing");
  }
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  for (const Family& family : kFamilies) {
    const FileSet set = FindFiles(directory, family);
    if (set.names.empty()) continue;
    for (const std::string& name : set.names) checkpoint.AddFile(name);
    checkpoint.CheckIndex(set.index_name, set.weight_map);
    return checkpoint;
  }
  if (const auto part = UnfinishedDownload(directory)) {
    Fail("{}: no weights, but '{}': the download is incomplete; fetch it again", directory.string(),
         *part);
  }
  Fail("{}: no weights: wanted model.safetensors, pytorch_model.bin or an index of such files",
       directory.string());
}

void Checkpoint::AddFile(const std::string& name) {
  const auto& file = files_.emplace_back(std::make_shared<const TensorFile>(directory_ / name));
  for (const NamedTensor& tensor : file->contents().tensors) {
    const auto [it, added] = entries_.emplace(tensor.name, Entry{&tensor.view, file.get()});
    if (!added) {
      Fail("{}: tensor '{}' is in '{}' and in '{}'", directory_.string(), tensor.name,
           it->second.file->path().filename().string(), name);
    }
  }
}

void Checkpoint::CheckIndex(const std::string& index_name, const WeightMap& weight_map) const {
  for (const auto& [tensor, file] : weight_map) {
    const auto it = entries_.find(tensor);
    const std::string found =
        it == entries_.end() ? "" : it->second.file->path().filename().string();
    if (found == file) continue;
    Fail("{}: {} says that '{}' holds tensor '{}', which {}; download both again",
         directory_.string(), index_name, file, tensor,
         found.empty() ? "it does not" : fmt::format("is in '{}'", found));
  }
}

const TensorView* Checkpoint::Find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : it->second.view;
}

const Checkpoint::Entry& Checkpoint::Require(std::string_view name,
                                             const std::string& wanted) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) {
    Fail("{}: tensor '{}' is missing, wanted {}", directory_.string(), name, wanted);
  }
  return it->second;
}

namespace {

[[noreturn]] void FailMismatch(const TensorFile& file, std::string_view name,
                               const std::string& wanted, const TensorView& found) {
  Fail("{}: tensor '{}' wanted {}, found {} {}", file.path().string(), name, wanted,
       Name(found.dtype), ShapeString(found.shape));
}

}  // namespace

const TensorView& Checkpoint::Get(std::string_view name, const std::vector<int64_t>& shape) const {
  const std::string wanted = "F32, F16 or BF16 " + ShapeString(shape);
  const Entry& entry = Require(name, wanted);
  if (!IsFloat(entry.view->dtype) || entry.view->shape != shape) {
    FailMismatch(*entry.file, name, wanted, *entry.view);
  }
  return *entry.view;
}

const TensorView& Checkpoint::Get(std::string_view name, const std::vector<int64_t>& shape,
                                  DType dtype) const {
  const std::string wanted = fmt::format("{} {}", Name(dtype), ShapeString(shape));
  const Entry& entry = Require(name, wanted);
  if (entry.view->dtype != dtype || entry.view->shape != shape) {
    FailMismatch(*entry.file, name, wanted, *entry.view);
  }
  return *entry.view;
}

const TensorFile& Checkpoint::FileOf(std::string_view name) const {
  return *Require(name, "it").file;
}

std::vector<std::string_view> Checkpoint::names() const {
  std::vector<std::string_view> names;
  names.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

std::vector<const TensorFile*> Checkpoint::files() const {
  std::vector<const TensorFile*> files;
  for (const auto& file : files_) files.push_back(file.get());
  return files;
}

size_t Checkpoint::AdoptMissing(const Checkpoint& other,
                                const std::function<std::string(std::string_view)>& rename) {
  size_t adopted = 0;
  for (const auto& [name, entry] : other.entries_) {
    std::string new_name = rename(name);
    if (!new_name.empty() && entries_.emplace(std::move(new_name), entry).second) ++adopted;
  }
  if (adopted > 0) files_.insert(files_.end(), other.files_.begin(), other.files_.end());
  return adopted;
}

void Checkpoint::Rename(const std::function<std::string(std::string_view)>& name_of) {
  std::map<std::string, Entry, std::less<>> renamed;
  for (const auto& [name, entry] : entries_) {
    if (!renamed.emplace(name_of(name), entry).second) {
      Fail("{}: tensor '{}' is there under two names", directory_.string(), name_of(name));
    }
  }
  entries_ = std::move(renamed);
}

}  // namespace ixc
