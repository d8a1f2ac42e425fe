#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/mapped_byte.h"
#include "base/release_pages.h"

namespace ixc {
namespace {

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

// The mappings of the process, for signal handlers: no lock, no allocation. A slot is taken when
// its begin is not null, and its other fields are written before that.
struct MappingSlot {
  std::atomic<bool> taken{false};
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<size_t> size{0};
  char path[512];
};
constexpr size_t kMappingSlots = 512;  // more mappings than that go unnamed
MappingSlot g_mappings[kMappingSlots];

void Register(const std::filesystem::path& path, const std::byte* begin, size_t size) {
  for (MappingSlot& slot : g_mappings) {
    if (slot.taken.exchange(true)) continue;
    const std::string name = path.string();
    const size_t skipped = name.size() - std::min(name.size(), sizeof(slot.path) - 1);
    std::memcpy(slot.path, name.c_str() + skipped, name.size() - skipped + 1);
    slot.size.store(size);
    slot.begin.store(begin);
    return;
  }
}

void Unregister(const std::byte* begin) {
  for (MappingSlot& slot : g_mappings) {
    if (slot.begin.load() != begin) continue;
    slot.begin.store(nullptr);
    slot.taken.store(false);
    return;
  }
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a FIFO without it would wait for a writer.
  const Descriptor file{open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
  if (file.fd < 0) Fail("{}: cannot be opened: {}", path_.string(), std::strerror(errno));
  struct stat status;
  if (fstat(file.fd, &status) != 0) Fail("{}: fstat: {}", path_.string(), std::strerror(errno));
  if (!S_ISREG(status.st_mode)) {
    Fail("{}: wanted a regular file, found {}", path_.string(), KindOf(status.st_mode));
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;  // mmap refuses length 0
  void* address = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) {
    Fail("{}: {} bytes cannot be mapped: {}", path_.string(), size_, std::strerror(errno));
  }
  data_ = static_cast<const std::byte*>(address);
  Register(path_, data_, size_);
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  Unregister(data_);
  munmap(const_cast<std::byte*>(data_), size_);
}

MappedByte FindMappedByte(const void* address) {
  const auto* byte = static_cast<const std::byte*>(address);
  for (const MappingSlot& slot : g_mappings) {
    const std::byte* begin = slot.begin.load();
    if (begin == nullptr || byte < begin || byte >= begin + slot.size.load()) continue;
    return {slot.path, static_cast<size_t>(byte - begin), slot.size.load()};
  }
  return {nullptr, 0, 0};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

void MappedFile::Release(std::span<const std::byte> part) const {
  if (part.data() < data_ || part.data() + part.size() > data_ + size_ || data_ == nullptr) return;
  ReleasePages(part);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace ixc
