// CLIP's byte-level BPE: text to the ids that a text tower reads.
//
//   clean (clip_text.h) -> words -> bytes as printable characters, the last one with "</w>"
//   -> pairs merged by rank -> ids; start, ids, end, zeros up to the context length
//
// A text that is too long is cut, and its last id is the end token. Vocabulary: the 256 byte
// characters, the same with "</w>", one entry a merge, start, end. So a model with V tokens uses
// the first V - 514 merges of its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ixc {

class ClipTokenizer {
 public:
  // merges: a text file, gzip or plain, one pair a line behind a first line that is skipped
  // (bpe_simple_vocab_16e6.txt.gz, merges.txt). Throws when it holds fewer than the vocabulary
  // needs.
  ClipTokenizer(const std::filesystem::path& merges, int64_t vocab_size, int64_t context_length);

  // context_length ids.
  std::vector<int32_t> Encode(std::string_view text) const;

  int32_t start_id() const { return end_id_ - 1; }
  int32_t end_id() const { return end_id_; }

 private:
  using Pair = std::pair<std::string, std::string>;

  void AppendWord(std::string_view bytes, std::vector<int32_t>& ids) const;

  std::vector<std::string> symbols_;  // of each byte
  std::map<Pair, size_t> ranks_;
  std::map<std::string, int32_t, std::less<>> ids_;
  int32_t end_id_ = 0;
  size_t context_length_ = 0;
};

}  // namespace ixc
