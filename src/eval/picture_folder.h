// The pictures of a folder, in an order that does not depend on the file system.
#pragma once

#include <filesystem>
#include <vector>

namespace ixc {

struct PictureFolder {
  std::filesystem::path directory;              // real path
  std::vector<std::filesystem::path> pictures;  // real folder path + name, sorted by name
  std::vector<std::filesystem::path> skipped;   // entries that are no pictures: sub-folders, others
};

// Looks at the first bytes of every entry, not at its extension; not recursive. Hidden files are
// left out without a word. Throws when the folder cannot be read.
PictureFolder ListPictures(const std::filesystem::path& directory);

}  // namespace ixc
