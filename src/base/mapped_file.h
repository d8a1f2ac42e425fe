// Read-only memory mapping of a regular file: weights are read in place, never copied first.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace ixc {

class MappedFile {
 public:
  // Follows symbolic links. Throws ixc::Error naming the path when the file is missing, is not a
  // regular file (a directory, FIFO or device; never blocks on one), or cannot be mapped.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The whole file; empty for an empty file. Stays at its address when the object is moved.
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // For who reads a large file once: the pages of `part` need not stay in memory. Later reads of
  // them get the same bytes, from the disk if need be. Bytes that are not of this file are left
  // alone.
  void Release(std::span<const std::byte> part) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ixc
