// The zip container of PyTorch .bin files, read in place: stored (uncompressed) entries only.
// zip64 is understood, because a shard may pass 4 GiB.
// Format: PKWARE APPNOTE.TXT 6.3, sections 4.3 (layout) and 4.5.3 (zip64 extra field).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ixc {

struct ZipEntry {
  std::string name;
  std::span<const std::byte> data;  // inside the file
  uint32_t crc32 = 0;               // as the central directory gives it
};

// Lists all entries, in the order of the central directory. Every one is checked against its
// local header; compressed or encrypted entries, entries that leave the file or overlap the
// directory, and a name given twice are errors. `where` names the file in errors.
std::vector<ZipEntry> ReadZip(std::span<const std::byte> bytes, const std::string& where);

// Whether an entry's bytes have its checksum. Not asked by ReadZip: it would read all the weights.
bool CrcMatches(const ZipEntry& entry);

}  // namespace ixc
