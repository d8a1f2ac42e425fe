// What an engine is asked, and what it answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ixc/image.h"

namespace ixc {

// How the next token is chosen. The defaults are those of the reference run of the precision test:
// greedy, repetition penalty 1.005, at most 1,024 tokens.
struct GenerationOptions {
  int max_new_tokens = 1024;
  bool sample = false;                // false: the most probable token (greedy)
  float temperature = 1.0f;           // > 0; used when sampling, as are the next three
  int top_k = 50;                     // 0: no limit
  float top_p = 0.8f;                 // (0, 1]
  uint64_t seed = 0;                  // the same seed gives the same answer
  float repetition_penalty = 1.005f;  // > 0; 1: off
  int num_beams = 1;                  // > 1: beam search, without sampling
  // Guess from prompt and answer how the answer goes on and check several tokens at a time. The
  // answer is the same, sooner where it repeats what was said and never much later.
  bool speculate = false;
};

// Most views of a picture when nothing else is asked for, as in the reference's chat().
inline constexpr int kDefaultHdNum = 25;

// What to do when the number of <ImageHere> marks in query and history differs from the number of
// pictures.
enum class ImageMarks {
  kStrict,  // an error
  kAdd,     // as strict, but with no mark at all one per picture is put before the query
  kLoose,   // what the VL reference does: see docs/prompts.md
};

struct Request {
  std::string query;
  std::vector<std::pair<std::string, std::string>> history;  // (query, answer), oldest first
  std::optional<std::string> system;  // none: the model's own; "": no system turn
  std::vector<Image> images;
  std::vector<int> hd_num;  // 4KHD: one for all pictures or one a picture; empty: kDefaultHdNum
  ImageMarks image_marks = ImageMarks::kAdd;
  bool allow_control_tokens = false;  // [UNUSED_TOKEN_145] and the like in user text act as control
  GenerationOptions generation;
};

enum class FinishReason {
  kStop,      // the model closed its turn
  kLength,    // max_new_tokens, or the model's context is full
  kCancelled  // the caller asked to stop
};

const char* Name(FinishReason reason);

struct Timing {
  double image_seconds = 0;    // transform, tower and projector
  double prefill_seconds = 0;  // the prompt through the decoder, first token included
  double decode_seconds = 0;   // all further tokens
};

struct Result {
  std::string text;
  std::vector<int32_t> token_ids;  // generated, the stop token included
  FinishReason finish_reason = FinishReason::kStop;
  int64_t prompt_tokens = 0;  // image tokens included
  int64_t image_tokens = 0;
  int64_t cached_tokens = 0;    // of the prompt: read in an earlier turn of the conversation
  int64_t guessed_tokens = 0;   // with speculation: read ahead …
  int64_t accepted_tokens = 0;  // … and found right
  Timing timing;
};

}  // namespace ixc
