// An output file that a later run can take up where an earlier one was killed.
//
// The writer gives the whole stream of bytes again. What the file already holds is compared with it
// and not written; at the first difference (a torn page after a power cut, another source) the file
// is cut and writing goes on from there. So nothing that an earlier run left has to be trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/byte_sink.h"

namespace ixc {

class ResumableFile : public ByteSink {
 public:
  // Opens or creates a regular file. Errors name the path and the system's reason.
  explicit ResumableFile(std::filesystem::path path);
  // The file stays as it is, whole or not: its name must say that it is unfinished.
  ~ResumableFile() override;
  ResumableFile(const ResumableFile&) = delete;
  ResumableFile& operator=(const ResumableFile&) = delete;

  using ByteSink::Write;
  void Write(std::span<const std::byte> bytes) override;
  uint64_t size() const override { return size_; }

  // Cuts what is behind the stream's end, and waits until the disk has it all.
  void Finish();
  // Bytes that were there already, so far.
  uint64_t kept_bytes() const { return kept_; }

 private:
  bool KeepsBytes(std::span<const std::byte> bytes, uint64_t position);
  void Flush();
  [[noreturn]] void FailWith(const char* what) const;

  std::filesystem::path path_;
  int fd_ = -1;
  std::string buffer_;
  std::string compared_;
  uint64_t size_ = 0;  // of the stream, buffer included
  uint64_t kept_ = 0;
  bool is_comparing_ = false;
};

}  // namespace ixc
