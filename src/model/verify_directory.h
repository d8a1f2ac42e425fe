// Everything about a model directory that can be checked without running the model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "formats/verify.h"
#include "formats/weight_directory.h"

namespace ixc {

struct VerifyOptions {
  WeightDirectoryOptions directory;
  // Lines of "64 hexadecimal digits, two spaces, file name", as sha256sum prints them; empty: none.
  // Links into a Hugging Face cache carry their checksum in the name that they point to; those are
  // compared in any case.
  std::filesystem::path sha256_list;
  std::function<void(double share)> on_progress;  // 0 … 1; may be empty
};

struct VerifyReport {
  std::vector<Finding> findings;
  std::string kind;  // "VL", "4KHD", or "" when the directory does not open
  uint64_t num_files = 0;
  uint64_t num_tensors = 0;
  uint64_t num_bytes = 0;      // of weight files
  uint64_t num_checksums = 0;  // compared

  bool HasErrors() const;
};

// Goes on after each finding: index against files, every file's structure, every tensor's name,
// shape, type and values, what kind of model the signals say, the JSON files' ranges, the tokenizer
// against the vocabulary, checksums. Throws only for what is no directory, or for an unreadable
// list of checksums.
VerifyReport VerifyDirectory(const std::filesystem::path& directory, const VerifyOptions& options);

}  // namespace ixc
