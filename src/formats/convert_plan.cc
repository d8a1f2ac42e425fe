#include "formats/convert_plan.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"

namespace ixc {
namespace {

// dropped name -> kept name
using Aliases = std::map<std::string, std::string>;

bool IsCastable(DType dtype) { return IsFloat(dtype) || dtype == DType::kF64; }

// Names of one file that stand for the same bytes, type and shape as another.
Aliases FindAliases(const TensorFile& file) {
  using Key = std::tuple<const std::byte*, DType, std::vector<int64_t>>;
  std::map<Key, std::set<std::string>> groups;
  for (const NamedTensor& tensor : file.contents().tensors) {
    if (tensor.view.NumBytes() == 0) continue;
    groups[{tensor.view.data, tensor.view.dtype, tensor.view.shape}].insert(tensor.name);
  }
  Aliases aliases;
  for (const auto& [key, names] : groups) {
    for (const std::string& name : names) {
      if (name != *names.begin()) aliases.emplace(name, *names.begin());
    }
  }
  return aliases;
}

class Planner {
 public:
  Planner(std::optional<DType> dtype, uint64_t max_shard_bytes)
      : dtype_(dtype), max_shard_bytes_(max_shard_bytes) {}

  void AddFile(const TensorFile& file) {
    const Aliases aliases = FindAliases(file);
    if (max_shard_bytes_ == 0 || plan_.shards.empty()) {
      plan_.shards.push_back({.name = SafetensorsName(file.path())});
    }
    for (const NamedTensor& tensor : file.contents().tensors) {
      if (!aliases.contains(tensor.name)) AddTensor(tensor, file);
    }
    for (const auto& [dropped, kept] : aliases) ShardOf(kept).metadata[dropped] = kept;
  }

  ConvertPlan Finish() {
    if (max_shard_bytes_ > 0) NameShards();
    std::set<std::string> names;
    for (PlannedShard& shard : plan_.shards) {
      shard.metadata["format"] = "pt";
      std::sort(shard.tensors.begin(), shard.tensors.end(),
                [](const auto& a, const auto& b) { return a.tensor->name < b.tensor->name; });
      if (!names.insert(shard.name).second) {
        Fail("two source files would both become '{}'; rename one of them", shard.name);
      }
    }
    if (plan_.shards.size() > 1 || plan_.shards[0].name.find("-of-") != std::string::npos) {
      plan_.index = Index();
    }
    return std::move(plan_);
  }

 private:
  void AddTensor(const NamedTensor& tensor, const TensorFile& file) {
    const TensorView& view = tensor.view;
    PlannedTensor planned{&tensor, &file, view.dtype, 0};
    if (dtype_ && IsCastable(view.dtype)) planned.dtype = *dtype_;
    planned.num_bytes = CheckedMul(static_cast<uint64_t>(view.NumElements()), SizeOf(planned.dtype),
                                   tensor.name.c_str());
    if (max_shard_bytes_ > 0 && !plan_.shards.back().tensors.empty() &&
        plan_.shards.back().num_bytes + planned.num_bytes > max_shard_bytes_) {
      plan_.shards.emplace_back();
    }
    PlannedShard& shard = plan_.shards.back();
    shard.tensors.push_back(planned);
    shard.num_bytes += planned.num_bytes;
    plan_.num_bytes += planned.num_bytes;
    shard_of_[tensor.name] = plan_.shards.size() - 1;
  }

  PlannedShard& ShardOf(const std::string& tensor) { return plan_.shards[shard_of_.at(tensor)]; }

  void NameShards() {
    const size_t count = plan_.shards.size();
    for (size_t i = 0; i < count; ++i) {
      plan_.shards[i].name = count == 1
                                 ? "model.safetensors"
                                 : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, count);
    }
  }

  std::string Index() const {
    Json index;
    index["metadata"]["total_size"] = plan_.num_bytes;
    Json& map = index["weight_map"] = Json::object();
    for (const auto& [name, shard] : shard_of_) map[name] = plan_.shards[shard].name;
    return ToText(index, 2) + "\n";
  }

  std::optional<DType> dtype_;
  uint64_t max_shard_bytes_;
  ConvertPlan plan_;
  std::map<std::string, size_t> shard_of_;
};

}  // namespace

std::string SafetensorsName(const std::filesystem::path& file) {
  constexpr std::string_view kStripped = "pytorch_";  // a set of characters, not a word
  std::string stem = file.stem().string();
  if (file.extension() != ".safetensors") {
    const size_t kept = stem.find_first_not_of(kStripped);
    stem = kept == stem.npos ? "model" : stem.substr(kept);
  }
  return stem + ".safetensors";
}

ConvertPlan PlanConversion(const Checkpoint& checkpoint, std::optional<DType> dtype,
                           uint64_t max_shard_bytes) {
  Planner planner(dtype, max_shard_bytes);
  for (const TensorFile* file : checkpoint.files()) planner.AddFile(*file);
  return planner.Finish();
}

}  // namespace ixc
