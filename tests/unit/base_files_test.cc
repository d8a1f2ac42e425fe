#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/mapped_byte.h"
#include "base/mapped_file.h"
#include "base/resumable_file.h"
#include "formats/sha256.h"
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

std::string WriteStream(const std::filesystem::path& path, const std::string& stream,
                        uint64_t* kept = nullptr) {
  ResumableFile file(path);
  for (size_t i = 0; i < stream.size(); i += 1000) {
    file.Write(std::string_view(stream).substr(i, 1000));
  }
  file.Finish();
  if (kept != nullptr) *kept = file.kept_bytes();
  return ReadAll(path);
}

TEST(ResumableFile, GoesOnFromWhateverIsThere) {
  const TempDir dir;
  std::string stream(3'000'017, ' ');  // a few buffers and a part of one
  for (size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<char>(i * i >> 7);
  std::string damaged = stream;
  damaged[1'500'000] ^= 1;
  std::string longer = stream + "stale bytes";
  const struct {
    std::string found;
    uint64_t kept_at_least;
    uint64_t kept_at_most;
  } cases[] = {
      {"", 0, 0},
      {stream.substr(0, 2'500'000), 2'000'000, 2'500'000},
      {damaged, 1'000'000, 1'500'000},
      {longer, stream.size(), stream.size()},
      {stream, stream.size(), stream.size()},
      {"something else", 0, 0},
  };
  for (const auto& test : cases) {
    const auto path = dir.Write("out", test.found);
    uint64_t kept = 0;
    EXPECT_TRUE(WriteStream(path, stream, &kept) == stream);
    EXPECT_GE(kept, test.kept_at_least);
    EXPECT_LE(kept, test.kept_at_most);
  }
}

TEST(ResumableFile, StaysUnfinishedWithoutFinish) {
  const TempDir dir;
  const auto path = dir.path() / "out";
  {
    ResumableFile file(path);
    file.Write(std::string(2'000'000, 'x'));
  }
  EXPECT_GT(std::filesystem::file_size(path), 0u);
  EXPECT_LT(std::filesystem::file_size(path), 2'000'000u);
  EXPECT_PRED2(Contains, ErrorOf([&] { ResumableFile{dir.path() / "none" / "out"}; }),
               "cannot be created at byte 0: No such file");
  EXPECT_NE(ErrorOf([&] { ResumableFile{dir.path()}; }), "no error");
}

TEST(MappedFile, ReleasedPagesReadTheSame) {
  const TempDir dir;
  std::string text(100'000, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  const MappedFile file(dir.Write("file", text));
  const std::string other = "not of this file";
  const std::pair<size_t, size_t> parts[] = {{0, 100'000}, {1, 1}, {5000, 20'000}};
  for (const auto& [begin, count] : parts) {
    file.Release(file.bytes().subspan(begin, count));
  }
  file.Release(std::as_bytes(std::span(other)));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()),
            text);
  EXPECT_EQ(other, "not of this file");
}

// FIPS 180-4's own examples, and lengths around a block's border.
TEST(Sha256, KnownValues) {
  const auto hash = [](const std::string& text) { return Sha256(std::as_bytes(std::span(text))); };
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  for (size_t size : {55u, 56u, 63u, 64u, 65u, 119u, 120u, 128u}) {
    const std::string text(size, 'x');
    Sha256Hash in_parts;
    for (size_t i = 0; i < size; i += 7) {
      in_parts.Update(std::as_bytes(std::span(text)).subspan(i, std::min<size_t>(7, size - i)));
    }
    EXPECT_EQ(in_parts.Finish(), hash(text)) << size;
  }
}

}  // namespace
}  // namespace ixc
