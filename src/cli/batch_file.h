// The questions of `ixc describe --batch`: lines of {"image": path or list of paths, "prompt":
// text}. Relative paths start at the file's folder; other keys are ignored; so are empty lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ixc {

// One question: which pictures, and what is asked about them.
struct Job {
  std::vector<std::string> images;
  std::string prompt;
};

// Errors name the file and the line. `path` says where the text comes from.
std::vector<Job> ParseBatch(std::string_view text, const std::string& path,
                            const std::string& default_prompt);
std::vector<Job> ReadBatch(const std::string& path, const std::string& default_prompt);

}  // namespace ixc
