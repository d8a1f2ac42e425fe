// The prompt of a conversation: its text, and the sequence of token ids and pictures that the model
// sees. The same for VL and 4KHD. Spec: model.md §7.1 to §7.3.
//
//   [UNUSED_TOKEN_146]system\n SYSTEM [UNUSED_TOKEN_145]\n            (when not empty)
//   [UNUSED_TOKEN_146]user\n QUERY [UNUSED_TOKEN_145]\n               (for each turn of the
//   history, [UNUSED_TOKEN_146]assistant\n ANSWER [UNUSED_TOKEN_145]\n          and without an
//   answer last)
//
// With pictures, the text is split at every <ImageHere>. Each part is tokenized on its own with its
// own BOS, an empty part gives nothing, and picture k stands behind part k. Without pictures, the
// text begins with a literal <s>, which gives a second BOS.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ixc/request.h"
#include "text/tokenizer.h"

namespace ixc {

inline constexpr std::string_view kTurnBegin = "[UNUSED_TOKEN_146]";
inline constexpr std::string_view kTurnEnd = "[UNUSED_TOKEN_145]";
inline constexpr std::string_view kImageMark = "<ImageHere>";

// The models' own system text.
extern const std::string_view kDefaultSystem;

// (query, answer) pairs, oldest first.
using ChatHistory = std::vector<std::pair<std::string, std::string>>;

struct ChatPrompt {
  std::string query;
  ChatHistory history;
  std::optional<std::string> system;  // none: kDefaultSystem; "": no system turn
  int num_images = 0;
  // kLoose is the reference's VL: with too few marks the next picture follows the last part and
  // those after it are not used, surplus marks only split the text; without pictures a mark is
  // text.
  ImageMarks image_marks = ImageMarks::kStrict;
  // The reference's way: control strings in system, history and query act as control tokens.
  bool allow_control_tokens = false;
};

// Token ids, or one picture.
struct PromptSegment {
  std::vector<int32_t> ids;
  int image = -1;  // its index; -1: this segment is text

  bool is_image() const { return image >= 0; }
};

struct PromptSequence {
  std::string prompt;                   // the whole text, marks and markers included
  std::vector<PromptSegment> segments;  // two texts never stand side by side
};

// Throws when the number of marks is not as `image_marks` wants it, saying both counts.
PromptSequence BuildPrompt(const Tokenizer& tokenizer, const ChatPrompt& chat);

// The query with one mark a picture in front, if neither it nor the history holds any mark.
std::string WithImageMarks(std::string_view query, const ChatHistory& history, int num_images);

// Tokens that end an answer: `</s>` and [UNUSED_TOKEN_145].
std::vector<int32_t> StopIds(const Tokenizer& tokenizer);

}  // namespace ixc
