#include "cli/batch_file.h"

#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/text_lines.h"

namespace ixc {

namespace {

Job ParseJob(std::string_view line, const std::string& where, const std::filesystem::path& folder,
             const std::string& default_prompt) {
  const Json json = ParseJson(line, where);
  const JsonFields fields(json, where);
  Job job;
  job.prompt = fields.StringOr("prompt", default_prompt);
  const Json* image = fields.Find("image");
  if (image == nullptr) return job;
  for (const Json& item : image->is_array() ? *image : Json::array({*image})) {
    if (!item.is_string()) fields.Reject("image", "a path or a list of paths");
    job.images.push_back((folder / item.get<std::string>()).string());
  }
  return job;
}

}  // namespace

std::vector<Job> ParseBatch(std::string_view text, const std::string& path,
                            const std::string& default_prompt) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::vector<Job> jobs;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeLine(text);
    if (IsBlank(line)) continue;
    jobs.push_back(ParseJob(line, fmt::format("{}:{}", path, number), folder, default_prompt));
  }
  return jobs;
}

std::vector<Job> ReadBatch(const std::string& path, const std::string& default_prompt) {
  const MappedFile file(path);
  const std::string_view text = file.text();
  if (text.size() > kMaxBatchBytes) {
    Fail("{}: {} bytes of questions, at most {} are read; split it", path, text.size(),
         kMaxBatchBytes);
  }
  return ParseBatch(text, path, default_prompt);
}

}  // namespace ixc
