// An output file that appears under its name only when it is complete: bytes go to a temporary
// file beside it, Commit() flushes, syncs and renames. Without Commit() nothing is left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_sink.h"

namespace ixc {

class AtomicFile : public ByteSink {
 public:
  // An existing regular file is replaced at Commit() (through a symbolic link: the file it points
  // to); a directory or device under that name is an error. Every error names the path and the
  // system's reason (no space left, permission denied, ...).
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  using ByteSink::Write;
  void Write(std::span<const std::byte> bytes) override;
  uint64_t size() const override { return size_; }
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

// A file whose content is there already.
void WriteWholeFile(const std::filesystem::path& path, std::span<const std::byte> bytes);
void WriteWholeFile(const std::filesystem::path& path, std::string_view text);

}  // namespace ixc
