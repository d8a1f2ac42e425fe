#include "formats/staging_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr char kStagingName[] = ".ixc-convert";
constexpr char kJournalName[] = "publish.json";
constexpr int kJournalVersion = 1;

struct Journal {
  std::vector<std::string> files;
  std::string note;
};

Journal ReadJournal(const fs::path& path) {
  const Json json = ReadJsonFile(path);
  const JsonFields fields(json, path.string());
  if (fields.Integer("version", kPositive) != kJournalVersion) {
    fields.Reject("version", std::to_string(kJournalVersion));
  }
  Journal journal{{}, fields.String("note")};
  const Json* files = fields.Find("files");
  if (files == nullptr || !files->is_array()) fields.Reject("files", "a list of names");
  for (const Json& file : *files) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos) {
      fields.Reject("files", "a list of plain names");
    }
    journal.files.push_back(name);
  }
  return journal;
}

// What was renamed is on the disk only when its directory is.
void SyncDirectory(const fs::path& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

bool Exists(const fs::path& path) {
  std::error_code code;
  return fs::exists(fs::symlink_status(path, code));
}

}  // namespace

StagingDirectory::StagingDirectory(const fs::path& directory)
    : directory_(directory), staging_(directory / kStagingName) {
  std::error_code code;
  is_new_ = fs::create_directories(directory_, code);
  if (!code) fs::create_directory(staging_, code);
  if (code) Fail("{}: cannot be created: {}", directory_.string(), code.message());
  lock_ = open(staging_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (lock_ < 0) Fail("{}: cannot be opened: {}", staging_.string(), std::strerror(errno));
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    Fail("{}: another conversion is writing into this directory; wait for it", directory_.string());
  }
}

StagingDirectory::~StagingDirectory() {
  std::error_code code;
  fs::remove(staging_, code);  // if empty
  if (is_new_) fs::remove(directory_, code);
  close(lock_);
}

bool StagingDirectory::IsUnfinished(const fs::path& directory) {
  std::error_code code;
  return Exists(directory / kStagingName) && !fs::is_empty(directory / kStagingName, code);
}

std::optional<std::string> StagingDirectory::PendingNote(const fs::path& directory) {
  const fs::path path = directory / kStagingName / kJournalName;
  if (!Exists(path)) return std::nullopt;
  return ReadJournal(path).note;
}

// Parts that an earlier, different run left.
void StagingDirectory::RemoveStrays(const std::vector<std::string>& names) const {
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(staging_)) {
    const std::string name = entry.path().filename().string();
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      fs::remove_all(entry.path(), code);
    }
  }
}

void StagingDirectory::Publish(const std::vector<std::string>& names, const std::string& note) {
  RemoveStrays(names);
  SyncDirectory(staging_);
  const Json journal = {{"version", kJournalVersion}, {"note", note}, {"files", names}};
  WriteWholeFile(staging_ / kJournalName, ToText(journal) + "\n");
  SyncDirectory(staging_);
  Move(names);
}

void StagingDirectory::ResumePublishing() { Move(ReadJournal(staging_ / kJournalName).files); }

void StagingDirectory::Move(const std::vector<std::string>& names) {
  std::error_code code;
  // A file that is still staged has an older one under its name outside, or none.
  for (const std::string& name : names) {
    if (!Exists(staging_ / name)) continue;
    fs::remove(directory_ / name, code);
    if (code) Fail("{}: cannot be removed: {}", (directory_ / name).string(), code.message());
  }
  for (const std::string& name : names) {
    if (!Exists(staging_ / name)) continue;
    fs::rename(staging_ / name, directory_ / name, code);
    if (code) Fail("{}: cannot be put in place: {}", (directory_ / name).string(), code.message());
  }
  SyncDirectory(directory_);
  fs::remove(staging_ / kJournalName, code);
  fs::remove(staging_, code);
  is_new_ = false;
}

}  // namespace ixc
