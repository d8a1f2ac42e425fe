// Packed weights in a file, so that the next start maps them instead of packing again.
//
// The file is a safetensors file: NAME and, where a matrix has them, NAME/group_scales,
// NAME/output_scale, NAME/output_bias, NAME/outlier_begin and NAME/outliers, all U8 and a multiple
// of 64 bytes, and metadata:
//
//   ixc_pack  version of this format and of the packed layouts
//   key       what the weights were packed from and how: every weight file's name, size, time and
//             hash of its header, a hash of the directory's JSON files, the options
//   matrices  {NAME: {scheme, n, k, group, input_scale, input_offset, hash}}, hash being XXH3 of 64
//             bits over all bytes of the matrix
//
// A file whose version or key differs, or that cannot be read, is stale: the weights are packed
// anew and the file is replaced, in one step.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "formats/checkpoint.h"
#include "model/weight_matrix.h"

namespace ixc {

struct PackCacheOptions {
  std::filesystem::path directory;  // made if missing; empty: no pack files
  bool verify = false;              // hash everything before it is used
  // What is worth knowing: which file is used, why one is made anew, why none could be written.
  std::function<void(const std::string& note)> on_note;
};

class PackCache {
 public:
  // `how` names the options that change what is packed. Throws when the directory cannot be made.
  PackCache(PackCacheOptions options, const Checkpoint& checkpoint, const std::string& how);
  ~PackCache();

  // A file with the right key is there; Take() gives its matrices.
  bool is_fresh() const { return file_ != nullptr; }
  const std::filesystem::path& path() const { return path_; }

  // A view of the mapped file, which it keeps alive. Each matrix once.
  std::optional<WeightMatrix> Take(const std::string& name);
  // Remembers where the bytes of a matrix lie. They must stay until Save(); the object may be
  // moved.
  void Add(const std::string& name, const WeightMatrix& matrix);
  // Writes what was added, unless the file is fresh.
  void Save();

 private:
  struct Entry;

  void Note(const std::string& text) const;
  void Open();

  PackCacheOptions options_;
  std::filesystem::path path_;
  std::string key_;
  std::shared_ptr<const TensorFile> file_;
  std::map<std::string, WeightMatrix> matrices_;  // of the file
  std::map<std::string, Entry> entries_;          // to be written
};

}  // namespace ixc
