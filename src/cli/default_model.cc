#include "cli/default_model.h"

#include <filesystem>

#include "base/error.h"

namespace ixc {

std::string ModelDirOrDefault(const std::string& dir) {
  if (!dir.empty()) return dir;
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& models :
       {fs::path(IXC_SOURCE_DIR) / "models", program.parent_path() / "../share/ixc/models"}) {
    const fs::path model = models / "tiny-vl";
    if (fs::exists(model / "config.json", ignored)) return fs::weakly_canonical(model).string();
  }
  Fail("the small model models/tiny-vl was not found; name a weight directory with --model DIR");
}

}  // namespace ixc
