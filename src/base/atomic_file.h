// An output file that appears under its name only when it is complete: bytes go to a temporary
// file beside it, Commit() flushes, syncs and renames. Without Commit() nothing is left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ixc {

class AtomicFile {
 public:
  // An existing regular file is replaced at Commit() (through a symbolic link: the file it points
  // to); a directory or device under that name is an error. Every error names the path and the
  // system's reason (no space left, permission denied, ...).
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text) { Write(std::as_bytes(std::span(text))); }
  // Bytes written so far, buffered ones included.
  uint64_t size() const { return size_; }
  void Commit();

 private:
  void WriteThrough(std::span<const std::byte> bytes);
  void FlushBuffer();
  void CloseAndRemove();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string buffer_;
  uint64_t size_ = 0;
  int fd_ = -1;
};

}  // namespace ixc
