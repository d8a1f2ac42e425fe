#include "formats/zip_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"

namespace ixc {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kCentralBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kZip64LocatorBytes = 20;
constexpr uint64_t kMaxCommentBytes = 0xffff;
constexpr uint32_t kInZip64 = 0xffffffff;  // a 32-bit field whose value is in the zip64 extra
constexpr uint16_t kZip64ExtraId = 1;
constexpr uint16_t kEncrypted = 1 << 0;
constexpr uint16_t kHasDataDescriptor = 1 << 3;  // the local header may leave sizes at zero

// Reads little-endian fields of a byte range and never outside it.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  const std::string& where() const { return where_; }
  uint64_t size() const { return bytes_.size(); }

  std::span<const std::byte> Slice(uint64_t offset, uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) {
      Fail("{}: broken zip: bytes {} + {} wanted, the file has {}; download it again", where_,
           offset, size, bytes_.size());
    }
    return bytes_.subspan(offset, size);
  }

  template <typename T>
  T Read(uint64_t offset) const {
    T value;
    std::memcpy(&value, Slice(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
};

struct Directory {
  uint64_t offset;
  uint64_t size;
  uint64_t entries;
};

// The end record is the last thing in the file but for a comment of up to 64 KiB.
uint64_t FindEndRecord(const Cursor& file) {
  const uint64_t size = file.size();
  for (uint64_t comment = 0; comment <= kMaxCommentBytes && comment + kEndBytes <= size;
       ++comment) {
    const uint64_t offset = size - kEndBytes - comment;
    if (file.Read<uint32_t>(offset) == kEndSignature &&
        file.Read<uint16_t>(offset + 20) == comment) {
      return offset;
    }
  }
  Fail("{}: the zip directory at the end of the file is missing; download it again", file.where());
}

Directory FindDirectory(const Cursor& file) {
  const uint64_t end = FindEndRecord(file);
  Directory directory{file.Read<uint32_t>(end + 16), file.Read<uint32_t>(end + 12),
                      file.Read<uint16_t>(end + 10)};
  uint64_t limit = end;  // the directory lies before the end records
  const uint64_t locator = end - std::min(end, kZip64LocatorBytes);
  if (end >= kZip64LocatorBytes && file.Read<uint32_t>(locator) == kZip64LocatorSignature) {
    const uint64_t zip64_end = file.Read<uint64_t>(locator + 8);
    file.Slice(zip64_end, kZip64EndBytes);
    if (file.Read<uint32_t>(zip64_end) != kZip64EndSignature) {
      Fail("{}: broken zip: no zip64 end record at byte {}", file.where(), zip64_end);
    }
    directory = {file.Read<uint64_t>(zip64_end + 48), file.Read<uint64_t>(zip64_end + 40),
                 file.Read<uint64_t>(zip64_end + 32)};
    limit = zip64_end;
  }
  if (CheckedAdd(directory.offset, directory.size, "zip directory") > limit) {
    Fail("{}: broken zip: directory of {} bytes at byte {} in a file of {}", file.where(),
         directory.size, directory.offset, file.size());
  }
  if (directory.entries > kMaxZipEntries) {
    Fail("{}: zip with {} entries, at most {} are read", file.where(), directory.entries,
         kMaxZipEntries);
  }
  return directory;
}

// Sizes and position of one entry; 32-bit values that did not fit come from the zip64 extra.
struct Central {
  std::string name;
  uint16_t flags;
  uint16_t method;
  uint32_t crc32;
  uint64_t stored_size;
  uint64_t size;
  uint64_t local_offset;
  uint64_t next;  // offset of the next directory record
};

// Reads the 64-bit values that the zip64 extra field holds, in the fixed order of the format, for
// those 32-bit fields that say so.
void ReadZip64Extra(const Cursor& extra, Central& entry) {
  uint64_t offset = 0;
  while (offset + 4 <= extra.size()) {
    const uint16_t id = extra.Read<uint16_t>(offset);
    const Cursor field(extra.Slice(offset + 4, extra.Read<uint16_t>(offset + 2)), extra.where());
    offset += 4 + field.size();
    if (id != kZip64ExtraId) continue;
    uint64_t at = 0;
    for (uint64_t* value : {&entry.size, &entry.stored_size, &entry.local_offset}) {
      if (*value != kInZip64) continue;
      *value = field.Read<uint64_t>(at);
      at += sizeof(uint64_t);
    }
    return;
  }
}

Central ReadCentral(const Cursor& file, uint64_t offset) {
  if (file.Read<uint32_t>(offset) != kCentralSignature) {
    Fail("{}: broken zip: no directory record at byte {}", file.where(), offset);
  }
  const uint64_t name_size = file.Read<uint16_t>(offset + 28);
  const uint64_t extra_size = file.Read<uint16_t>(offset + 30);
  const uint64_t comment_size = file.Read<uint16_t>(offset + 32);
  const auto name = file.Slice(offset + kCentralBytes, name_size);
  Central entry{.name = {reinterpret_cast<const char*>(name.data()), name.size()},
                .flags = file.Read<uint16_t>(offset + 8),
                .method = file.Read<uint16_t>(offset + 10),
                .crc32 = file.Read<uint32_t>(offset + 16),
                .stored_size = file.Read<uint32_t>(offset + 20),
                .size = file.Read<uint32_t>(offset + 24),
                .local_offset = file.Read<uint32_t>(offset + 42),
                .next = offset + kCentralBytes + name_size + extra_size + comment_size};
  const uint64_t extra_offset = offset + kCentralBytes + name_size;
  ReadZip64Extra(Cursor(file.Slice(extra_offset, extra_size), file.where()), entry);
  return entry;
}

// The entry's bytes, after comparing the local header with the directory.
std::span<const std::byte> ReadLocal(const Cursor& file, const Central& entry) {
  const std::string what = fmt::format("{}: zip entry '{}'", file.where(), entry.name);
  if (entry.flags & kEncrypted) Fail("{} is encrypted", what);
  if (entry.method != 0) {
    Fail("{} is compressed (method {}), only stored entries are read; save it with torch.save",
         what, entry.method);
  }
  if (entry.stored_size != entry.size) {
    Fail("{}: stored size {} and size {} differ", what, entry.stored_size, entry.size);
  }
  const uint64_t offset = entry.local_offset;
  if (file.Read<uint32_t>(offset) != kLocalSignature) {
    Fail("{}: no local header at byte {}", what, offset);
  }
  const uint64_t name_size = file.Read<uint16_t>(offset + 26);
  const uint64_t extra_size = file.Read<uint16_t>(offset + 28);
  const auto name = file.Slice(offset + kLocalBytes, name_size);
  if (std::string_view(reinterpret_cast<const char*>(name.data()), name.size()) != entry.name) {
    Fail("{}: the local header at byte {} has another name", what, offset);
  }
  if (file.Read<uint16_t>(offset + 8) != 0) Fail("{}: its local header says compressed", what);
  const uint32_t local_size = file.Read<uint32_t>(offset + 22);
  const bool size_left_out = (entry.flags & kHasDataDescriptor) && local_size == 0;
  if (!size_left_out && local_size != kInZip64 && local_size != entry.size) {
    Fail("{}: size {} in the directory, {} in the local header", what, entry.size, local_size);
  }
  return file.Slice(offset + kLocalBytes + name_size + extra_size, entry.size);
}

// Where an entry lies, its local header included.
struct Extent {
  uint64_t begin;
  uint64_t end;
  std::string_view name;
};

// No two entries share bytes: one entry inside another would be checked as one thing and read as
// another.
void CheckNoOverlap(std::vector<Extent> extents, const std::string& where) {
  std::ranges::sort(extents, {}, &Extent::begin);
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin >= extents[i - 1].end) continue;
    Fail("{}: broken zip: entry '{}' begins at byte {}, inside entry '{}', which ends at {}", where,
         extents[i].name, extents[i].begin, extents[i - 1].name, extents[i - 1].end);
  }
}

}  // namespace

std::vector<ZipEntry> ReadZip(std::span<const std::byte> bytes, const std::string& where) {
  const Cursor whole(bytes, where);
  const Directory directory = FindDirectory(whole);
  // Entries lie before the directory, directory records inside it.
  const Cursor contents(bytes.first(directory.offset), where);
  const Cursor records(bytes.first(directory.offset + directory.size), where);
  std::vector<ZipEntry> entries;
  std::vector<Extent> extents;
  std::set<std::string> names;
  uint64_t offset = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    Central entry = ReadCentral(records, offset);
    const auto [name, is_new] = names.insert(entry.name);
    if (!is_new) Fail("{}: zip entry '{}' twice", where, entry.name);
    const auto data = ReadLocal(contents, entry);
    const auto end = static_cast<uint64_t>(data.data() - bytes.data()) + data.size();
    extents.push_back({entry.local_offset, end, *name});
    offset = entry.next;
    entries.push_back({std::move(entry.name), data, entry.crc32});
  }
  CheckNoOverlap(std::move(extents), where);
  return entries;
}

namespace {

// CRC-32 of zip: reflected polynomial 0xEDB88320, one table step a byte.
constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0xEDB88320u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

}  // namespace

bool CrcMatches(const ZipEntry& entry) {
  uint32_t crc = 0xffffffff;
  for (std::byte byte : entry.data) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<uint32_t>(byte)) & 0xff];
  }
  return (crc ^ 0xffffffff) == entry.crc32;
}

}  // namespace ixc
