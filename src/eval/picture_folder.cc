#include "eval/picture_folder.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "base/error.h"
#include "image/decode.h"

namespace ixc {

namespace fs = std::filesystem;

PictureFolder ListPictures(const fs::path& directory) {
  std::error_code code;
  PictureFolder folder;
  folder.directory = fs::canonical(directory, code);
  if (code)
    Fail("{}: cannot be opened as a folder of pictures: {}", directory.string(), code.message());
  fs::directory_iterator entries(folder.directory, code);
  if (code)
    Fail("{}: cannot be read as a folder of pictures: {}", directory.string(), code.message());
  for (const fs::directory_entry& entry : entries) {
    if (entry.path().filename().string().starts_with('.')) continue;
    std::array<char, 16> head = {};
    size_t size = 0;
    if (entry.is_regular_file(code)) {
      std::ifstream file(entry.path(), std::ios::binary);
      file.read(head.data(), head.size());
      size = static_cast<size_t>(file.gcount());
    }
    const bool is_picture = IsPictureHead({head.data(), size});
    (is_picture ? folder.pictures : folder.skipped).push_back(entry.path());
  }
  std::sort(folder.pictures.begin(), folder.pictures.end());
  std::sort(folder.skipped.begin(), folder.skipped.end());
  return folder;
}

}  // namespace ixc
