#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "base/error.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kWriteBytes = 64 << 20;  // one write(2); Linux takes at most 2 GiB at a time

// The file that a write to `path` has to replace.
fs::path TargetOf(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) return path;
  if (!fs::is_regular_file(status)) {
    Fail("{}: wanted a file name to write to, found {}", path.string(),
         fs::is_directory(status) ? "a directory" : "something that is not a regular file");
  }
  return fs::is_symlink(fs::symlink_status(path, code)) ? fs::canonical(path, code) : path;
}

std::string RandomSuffix() {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device source;
  std::string suffix;
  for (int i = 0; i < 8; ++i) suffix += kAlphabet[source() % kAlphabet.size()];
  return suffix;
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& path) : path_(TargetOf(path)) {
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts && fd_ < 0; ++attempt) {
    temporary_ = path_;
    temporary_ += ".tmp-" + RandomSuffix();
    // Plain open instead of mkstemp: the mode follows the user's umask as for any other file.
    fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) Fail("{}: cannot be created: {}", path_.string(), std::strerror(errno));
}

AtomicFile::~AtomicFile() { CloseAndRemove(); }

void AtomicFile::CloseAndRemove() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
  fd_ = -1;
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) FlushBuffer();
  if (bytes.size() > kBufferBytes) {
    WriteThrough(bytes);
  } else {
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void AtomicFile::FlushBuffer() {
  WriteThrough(std::as_bytes(std::span(buffer_)));
  buffer_.clear();
}

void AtomicFile::WriteThrough(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), std::min(bytes.size(), kWriteBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const std::string reason = std::strerror(errno);
      CloseAndRemove();
      Fail("{}: cannot be written after {} bytes: {}", path_.string(), size_, reason);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::Commit() {
  FlushBuffer();
  const bool synced = fsync(fd_) == 0;
  if (!synced || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    CloseAndRemove();
    Fail("{}: cannot be {}: {}", path_.string(), synced ? "put in place" : "synced", reason);
  }
  close(fd_);
  fd_ = -1;
}

void WriteWholeFile(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.Write(bytes);
  file.Commit();
}

void WriteWholeFile(const std::filesystem::path& path, std::string_view text) {
  WriteWholeFile(path, std::as_bytes(std::span(text)));
}

}  // namespace ixc
