// All tensors of a model directory, whatever files they are stored in:
//   model.safetensors                   one file
//   model.safetensors.index.json        {"weight_map": {tensor name: file name}} over several
//   NAME-0000i-of-0000n.safetensors     several without an index, as format converters leave them
//   NAME.safetensors                    any single one
// and the same with pytorch_model and .bin. safetensors is preferred when both are there.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_file.h"

namespace ixc {

// The "weight_map" of an index file: tensor name -> file name. Every file name must be a plain name
// inside the directory. `where` names the text in errors.
std::map<std::string, std::string> ParseWeightIndex(std::string_view text,
                                                    const std::string& where);

// Files that training leaves beside the weights: training_args.bin and the like, never weights.
bool IsTrainingState(std::string_view name);

class Checkpoint {
 public:
  // Maps and checks every file; reads no weights yet. Errors name the file: a shard that is
  // missing (the download is incomplete), a tensor of the index that its shard does not have, a
  // tensor in two files, an index that points outside the directory, no weights at all.
  static Checkpoint Open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }

  // nullptr when there is no such tensor.
  const TensorView* Find(std::string_view name) const;
  // A floating-point tensor (F32, F16 or BF16) of this shape, or an error with wanted and found.
  const TensorView& Get(std::string_view name, const std::vector<int64_t>& shape) const;
  // The same for a tensor that must have exactly this dtype.
  const TensorView& Get(std::string_view name, const std::vector<int64_t>& shape,
                        DType dtype) const;

  // The file that holds a tensor; the tensor must exist.
  const TensorFile& FileOf(std::string_view name) const;
  std::vector<std::string_view> names() const;  // sorted
  std::vector<const TensorFile*> files() const;

  // Takes over tensors of `other` that are missing here (quantized directories leave adapters in
  // the directory that they were made from), each under the name that `rename` gives it; those that
  // get an empty name stay. Returns how many were taken.
  size_t AdoptMissing(const Checkpoint& other,
                      const std::function<std::string(std::string_view)>& rename);

  // Gives every tensor the name that `name_of` makes of its own; two of one name are an error.
  void Rename(const std::function<std::string(std::string_view)>& name_of);

 private:
  struct Entry {
    const TensorView* view;
    const TensorFile* file;
  };

  void AddFile(const std::string& name);
  void CheckIndex(const std::string& index_name,
                  const std::map<std::string, std::string>& weight_map) const;
  const Entry& Require(std::string_view name, const std::string& wanted) const;

  std::filesystem::path directory_;
  std::vector<std::shared_ptr<const TensorFile>> files_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace ixc
