// Conversations in files: what /save of `ixc chat` writes and --history reads.
//
//   {"format": "ixc-conversation", "version": 1, "system": TEXT (when it was not the model's own),
//    "pictures": [{"file": PATH, "hd_num": N}, ...], "turns": [[QUESTION, ANSWER], ...]}
//
// Questions hold an <ImageHere> for each of their pictures. A bare list of [QUESTION, ANSWER]
// pairs, whose pictures come from the command line, is read as well.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ixc {

struct SavedConversation {
  struct Picture {
    std::string file;
    int hd_num = 0;
  };
  std::optional<std::string> system;
  std::vector<Picture> pictures;
  std::vector<std::pair<std::string, std::string>> turns;  // (question, answer), oldest first
};

// Errors name the path and the field. Relative picture paths start at the file's folder.
SavedConversation ParseConversation(std::string_view text, const std::string& path);
SavedConversation ReadConversation(const std::string& path);

// Replaces the file in one step. Picture paths are written absolute.
void WriteConversation(const std::string& path, const SavedConversation& conversation);

}  // namespace ixc
