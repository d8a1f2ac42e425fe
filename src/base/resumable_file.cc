#include "base/resumable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ixc {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

}  // namespace

ResumableFile::ResumableFile(std::filesystem::path path) : path_(std::move(path)) {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
  if (fd_ < 0) FailWith("created");
  struct stat status;
  if (fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(fd_);
    Fail("{}: wanted a regular file to write to", path_.string());
  }
  is_comparing_ = status.st_size > 0;
  buffer_.reserve(kBufferBytes);
}

ResumableFile::~ResumableFile() {
  if (fd_ >= 0) close(fd_);
}

void ResumableFile::FailWith(const char* what) const {
  Fail("{}: cannot be {} at byte {}: {}", path_.string(), what, size_ - buffer_.size(),
       std::strerror(errno));
}

void ResumableFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), count);
    size_ += count;
    bytes = bytes.subspan(count);
    if (buffer_.size() == kBufferBytes) Flush();
  }
}

// Whether the file has these bytes at this position.
bool ResumableFile::KeepsBytes(std::span<const std::byte> bytes, uint64_t position) {
  compared_.resize(bytes.size());
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = pread(fd_, compared_.data() + done, bytes.size() - done,
                                static_cast<off_t>(position + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) FailWith("read");
    if (count == 0) return false;
    done += static_cast<size_t>(count);
  }
  return std::memcmp(compared_.data(), bytes.data(), bytes.size()) == 0;
}

void ResumableFile::Flush() {
  std::span<const std::byte> bytes = std::as_bytes(std::span(buffer_));
  uint64_t position = size_ - bytes.size();
  if (is_comparing_) {
    if (KeepsBytes(bytes, position)) {
      kept_ += bytes.size();
      buffer_.clear();
      return;
    }
    is_comparing_ = false;
    if (ftruncate(fd_, static_cast<off_t>(position)) != 0) FailWith("cut");
  }
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) FailWith("written");
    bytes = bytes.subspan(static_cast<size_t>(count));
    position += static_cast<uint64_t>(count);
  }
  buffer_.clear();
}

void ResumableFile::Finish() {
  Flush();
  if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) FailWith("cut");
  if (fsync(fd_) != 0) FailWith("synced");
  // What reads the file back shall ask the disk; a hint that may be ignored.
  posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  close(fd_);
  fd_ = -1;
}

}  // namespace ixc
