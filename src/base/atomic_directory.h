// An output directory that appears under its name only when everything in it is written: files go
// into a temporary directory beside it, Commit() renames that. Without Commit() nothing is left.
// What goes into a directory that has files already, or may be resumed:
// formats/staging_directory.h.
#pragma once

#include <filesystem>

namespace ixc {

class AtomicDirectory {
 public:
  // Throws when `path` exists and is not an empty directory, or when its parent cannot be written.
  explicit AtomicDirectory(const std::filesystem::path& path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  // Where to write until Commit().
  const std::filesystem::path& temporary() const { return temporary_; }
  void Commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

}  // namespace ixc
