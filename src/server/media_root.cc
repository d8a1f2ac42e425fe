#include "server/media_root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "server/api_error.h"

namespace ixc {
namespace {

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void NotFound() {
  throw ApiError(400, "image_not_found", "", "there is no such picture that may be read");
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
    if (high < 0 || low < 0) NotFound();
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

// Of the kernel: no step of the way leaves the directory or follows a link. None where the kernel
// does not know it.
std::optional<int> OpenBeneath(int root, const std::string& path) {
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long opened = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how));
  if (opened < 0 && (errno == ENOSYS || errno == EPERM)) return std::nullopt;
  return static_cast<int>(opened);
}

// The same, name by name.
int OpenByNames(int root, std::string_view path) {
  File folder(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  while (folder.get() >= 0) {
    const size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    if (name == "..") return -1;
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    if (slash == path.npos) return ::openat(folder.get(), name.c_str(), kFlags);
    if (!name.empty() && name != ".") {
      folder = File(::openat(folder.get(), name.c_str(), kFlags | O_DIRECTORY));
    }
    path.remove_prefix(slash + 1);
  }
  return -1;
}

}  // namespace

std::vector<std::byte> ReadMediaFile(const std::string& root, std::string_view url_path,
                                     size_t max_bytes) {
  std::string path = DecodePercent(url_path);
  path.erase(0, path.find_first_not_of('/'));
  if (path.empty() || path.find('\0') != path.npos) NotFound();
  const File folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) NotFound();
  const std::optional<int> opened = OpenBeneath(folder.get(), path);
  const File file(opened ? *opened : OpenByNames(folder.get(), path));
  struct stat status = {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) NotFound();
  if (static_cast<uint64_t>(status.st_size) > max_bytes) {
    throw ApiError(400, "image_too_large", "",
                   fmt::format("a picture of more than {} bytes", max_bytes));
  }
  // Read and not mapped: whoever shrinks the file must not end the server.
  std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace ixc
