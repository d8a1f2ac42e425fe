// A weight file of either kind, mapped: safetensors or torch .bin, told apart by its first bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/mapped_file.h"
#include "formats/tensor_map.h"

namespace ixc {

class TensorFile {
 public:
  // A safetensors file written from tensors that shared their bytes holds one of them, and its
  // metadata the others as "name": "name that is there"; they are found under both names.
  // Throws ixc::Error when the file cannot be mapped or parsed; says so when it is a Git LFS
  // pointer instead of the weights.
  explicit TensorFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  size_t size() const { return file_.bytes().size(); }
  const TensorMap& contents() const { return contents_; }
  // nullptr when the file has no such tensor. Linear search: for files read whole, use contents().
  const TensorView* Find(std::string_view name) const;
  // See MappedFile.
  void Release(std::span<const std::byte> part) const { file_.Release(part); }

 private:
  MappedFile file_;
  TensorMap contents_;  // views into file_
};

}  // namespace ixc
