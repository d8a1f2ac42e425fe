// A directory that gets several files at once, or as good as that: they are made in a hidden folder
// inside it (so on the same disk) and moved out when all of them are complete.
//
//   DIR/.ixc-convert/NAME           files in the making; what a killed run leaves here, a later one
//                                   takes up
//   DIR/.ixc-convert/publish.json   written when all are complete, removed when all are moved
//
// At no moment does DIR hold a set of files that looks complete and is not: the files that are to
// be replaced go first, then the new ones come in the order given, and the caller puts those last
// without which nothing opens the directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ixc {

class StagingDirectory {
 public:
  // Creates DIR and the folder, and keeps other processes out until the end. Errors: cannot be
  // created; another process is at work in it.
  explicit StagingDirectory(const std::filesystem::path& directory);
  // Leaves what is staged. An empty folder goes away, and so does an empty DIR that was new.
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  // Whether something was begun in this directory and never finished.
  static bool IsUnfinished(const std::filesystem::path& directory);
  // The note of an earlier run that was killed while it moved its files; Publish() goes on with it.
  static std::optional<std::string> PendingNote(const std::filesystem::path& directory);

  std::filesystem::path PathOf(const std::string& name) const { return staging_ / name; }

  // Moves the files `names`, all of them staged and complete, in this order. `note` is any text; it
  // is there for PendingNote() until all are moved.
  void Publish(const std::vector<std::string>& names, const std::string& note);
  // Goes on where an earlier Publish() was killed.
  void ResumePublishing();

 private:
  void RemoveStrays(const std::vector<std::string>& names) const;
  void Move(const std::vector<std::string>& names);

  std::filesystem::path directory_;
  std::filesystem::path staging_;
  bool is_new_ = false;
  int lock_ = -1;
};

}  // namespace ixc
