#include "formats/tensor_file.h"

#include <map>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/torch_bin.h"

namespace ixc {
namespace {

void AddSharedNames(TensorMap& map) {
  std::map<std::string_view, size_t> positions;
  for (size_t i = 0; i < map.tensors.size(); ++i) positions[map.tensors[i].name] = i;
  std::vector<NamedTensor> shared;
  for (const auto& [name, target] : map.metadata) {
    const auto it = positions.find(target);
    if (it == positions.end() || positions.contains(name)) continue;
    shared.push_back({name, map.tensors[it->second].view});
  }
  map.tensors.insert(map.tensors.end(), shared.begin(), shared.end());
}

TensorMap Parse(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  const std::string where = file.path().string();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    Fail("{}: a Git LFS pointer, not the weights; fetch them with 'git lfs pull'", where);
  }
  if (IsTorchBin(bytes) || file.path().extension() == ".bin") return ParseTorchBin(bytes, where);
  TensorMap map = ParseSafetensors(bytes, where);
  AddSharedNames(map);
  return map;
}

}  // namespace

TensorFile::TensorFile(const std::filesystem::path& path) : file_(path), contents_(Parse(file_)) {}

const TensorView* TensorFile::Find(std::string_view name) const {
  for (const NamedTensor& tensor : contents_.tensors) {
    if (tensor.name == name) return &tensor.view;
  }
  return nullptr;
}

}  // namespace ixc
