#include "base/atomic_directory.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace ixc {

namespace fs = std::filesystem;

AtomicDirectory::AtomicDirectory(const fs::path& path) : path_(path) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "name/"
  std::error_code code;
  if (fs::exists(path_, code) && !(fs::is_directory(path_, code) && fs::is_empty(path_, code))) {
    Fail("{}: exists; remove it or choose another name", path_.string());
  }
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), code);
  std::string pattern = path_.string() + ".tmp-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    Fail("{}: cannot be created: {}", path_.string(), std::strerror(errno));
  }
  temporary_ = pattern;
  // mkdtemp() keeps everybody else out; the mode of the result follows the user's umask.
  const mode_t mask = umask(0);
  umask(mask);
  chmod(temporary_.c_str(), 0777 & ~mask);
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code code;
  if (!committed_) fs::remove_all(temporary_, code);
}

void AtomicDirectory::Commit() {
  std::error_code code;
  fs::rename(temporary_, path_, code);
  if (code) Fail("{}: cannot be put in place: {}", path_.string(), code.message());
  committed_ = true;
}

}  // namespace ixc
