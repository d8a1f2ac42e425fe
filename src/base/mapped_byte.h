// Which mapped file an address belongs to, for handlers of SIGBUS: that is what reading a page of a
// file that has shrunk, or that the disk cannot give, ends in.
#pragma once

#include <cstddef>

namespace ixc {

struct MappedByte {
  const char* path;  // nullptr: of no MappedFile; may have lost its beginning when it is very long
  size_t offset;     // of the byte in the file
  size_t size;       // of the file when it was mapped
};

// Of every MappedFile that there is. Safe to call in a signal handler.
MappedByte FindMappedByte(const void* address);

}  // namespace ixc
