#include "cli/default_model.h"

#include <filesystem>

#include "base/error.h"

namespace ixc {

std::string ShippedModel(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& models :
       {fs::path(IXC_SOURCE_DIR) / "models", program.parent_path() / "../share/ixc/models"}) {
    if (fs::exists(models / name, ignored)) return fs::weakly_canonical(models / name).string();
  }
  Fail("models/{} was not found in the source tree or beside the program; name a directory", name);
}

std::string ModelDirOrDefault(const std::string& dir) {
  return dir.empty() ? ShippedModel("tiny-vl") : dir;
}

}  // namespace ixc
