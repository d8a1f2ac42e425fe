#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/mapped_byte.h"
#include "base/mapped_file.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

std::string Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

size_t FilesIn(const fs::path& dir) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

TEST(MappedFile, ReadsAndMoves) {
  const TempDir dir;
  MappedFile file(dir.Write("a", "hello"));
  EXPECT_EQ(Text(file), "hello");
  const std::byte* data = file.bytes().data();
  MappedFile moved(std::move(file));
  EXPECT_EQ(moved.bytes().data(), data);
  moved = MappedFile(dir.Write("b", "other"));
  EXPECT_EQ(Text(moved), "other");
}

TEST(MappedFile, IsFoundByAddress) {
  const TempDir dir;
  const auto path = dir.Write("a", "hello");
  const std::byte* data = nullptr;
  {
    const MappedFile file(path);
    data = file.bytes().data();
    const MappedByte byte = FindMappedByte(data + 3);
    EXPECT_EQ(std::string(byte.path), path.string());
    EXPECT_EQ(byte.offset, 3u);
    EXPECT_EQ(byte.size, 5u);
    EXPECT_EQ(FindMappedByte(data + 5).path, nullptr);
  }
  EXPECT_EQ(FindMappedByte(data + 3).path, nullptr);
  int local = 0;
  EXPECT_EQ(FindMappedByte(&local).path, nullptr);
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const TempDir dir;
  EXPECT_TRUE(MappedFile(dir.Write("a", "")).bytes().empty());
}

TEST(MappedFile, FollowsSymbolicLinks) {
  const TempDir dir;
  fs::create_symlink(dir.Write("a", "hello"), dir.path() / "link");
  EXPECT_EQ(Text(MappedFile(dir.path() / "link")), "hello");
}

TEST(MappedFile, RefusesWhatIsNotARegularFile) {
  const TempDir dir;
  const fs::path fifo = dir.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ErrorOf([&] { MappedFile{fifo}; }),
            fifo.string() + ": wanted a regular file, found a FIFO");
  EXPECT_PRED2(Contains, ErrorOf([&] { MappedFile{dir.path()}; }), "found a directory");
  EXPECT_PRED2(Contains, ErrorOf([] { MappedFile{"/dev/zero"}; }), "found a device");
  EXPECT_PRED2(Contains, ErrorOf([&] { MappedFile{dir.path() / "none"}; }), "No such file");
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const TempDir dir;
  const fs::path path = dir.Write("out", "old");
  {
    AtomicFile file(path);
    file.Write("new ");
    file.Write(std::string(200'000, 'x'));  // larger than the buffer
    file.Write(" end");
    EXPECT_EQ(file.size(), 200'008u);
    EXPECT_EQ(ReadAll(path), "old");
    file.Commit();
  }
  EXPECT_EQ(ReadAll(path), "new " + std::string(200'000, 'x') + " end");
  EXPECT_EQ(FilesIn(dir.path()), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempDir dir;
  {
    AtomicFile file(dir.path() / "out");
    file.Write("half");
  }
  EXPECT_EQ(FilesIn(dir.path()), 0u);
}

TEST(AtomicFile, WritesThroughASymbolicLink) {
  const TempDir dir;
  const fs::path target = dir.Write("target", "old");
  fs::create_symlink(target, dir.path() / "link");
  AtomicFile file(dir.path() / "link");
  file.Write("new");
  file.Commit();
  EXPECT_EQ(ReadAll(target), "new");
  EXPECT_TRUE(fs::is_symlink(dir.path() / "link"));
}

TEST(AtomicFile, ErrorsNameThePathAndTheReason) {
  const TempDir dir;
  const fs::path missing = dir.path() / "none" / "out";
  EXPECT_EQ(ErrorOf([&] { AtomicFile{missing}; }),
            missing.string() + ": cannot be created: No such file or directory");
  EXPECT_PRED2(Contains, ErrorOf([&] { AtomicFile{dir.path()}; }), "found a directory");
  EXPECT_PRED2(Contains, ErrorOf([] { AtomicFile{"/dev/full"}; }), "not a regular file");
}

}  // namespace
}  // namespace ixc
