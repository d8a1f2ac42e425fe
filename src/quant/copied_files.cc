#include "quant/copied_files.h"

#include <map>
#include <string>

#include "base/error.h"
#include "formats/model_config.h"

namespace ixc {

namespace fs = std::filesystem;

void CopySmallFiles(const fs::path& from, const fs::path& to) {
  std::map<std::string, fs::path> files;
  if (const auto adapters = ReadLoraDirectory(from)) {
    files["adapter_config.json"] = *adapters / "adapter_config.json";
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    bool wanted = name == "special_tokens_map.json" || name == "adapter_config.json";
    for (const char* part :
         {"tokenizer", "tokenization", "special_token_map", "generation", "configuration"}) {
      wanted |= name.find(part) != name.npos;
    }
    if (wanted && entry.is_regular_file()) files[name] = entry.path();
  }
  for (const auto& [name, path] : files) {
    std::error_code code;
    if (!fs::exists(path, code)) continue;
    fs::copy_file(path, to / name, fs::copy_options::overwrite_existing, code);
    if (code) Fail("{}: cannot be copied: {}", path.string(), code.message());
  }
}

}  // namespace ixc
