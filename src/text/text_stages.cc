#include "text/text_stages.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace ixc {
namespace {

// Length of the longest end of `text` that begins `pattern` without being all of it.
size_t LengthOfOpenMatch(std::string_view text, std::string_view pattern) {
  size_t length = std::min(text.size(), pattern.size() - 1);
  while (!pattern.starts_with(text.substr(text.size() - length))) --length;
  return length;
}

}  // namespace

std::string ByteJoiner::PushText(std::string_view text) {
  std::string decided = TakeDecided(/*at_end_of_run=*/true);
  decided += text;
  return decided;
}

std::string ByteJoiner::PushByte(uint8_t byte) {
  run_.push_back(static_cast<char>(byte));
  return TakeDecided(/*at_end_of_run=*/false);
}

std::string ByteJoiner::Finish() { return TakeDecided(/*at_end_of_run=*/true); }

std::string ByteJoiner::TakeDecided(bool at_end_of_run) {
  std::string decided;
  std::string_view rest = run_;
  while (!rest.empty()) {
    const Utf8Sequence sequence = ReadUtf8(rest);
    if (sequence.front == Utf8Front::kOpen && !at_end_of_run) break;
    if (sequence.front == Utf8Front::kCharacter) {
      decided += rest.substr(0, static_cast<size_t>(sequence.length));
      rest.remove_prefix(static_cast<size_t>(sequence.length));
    } else {
      decided += kReplacementCharacter;
      rest.remove_prefix(1);
    }
  }
  run_.erase(0, run_.size() - rest.size());
  return decided;
}

std::string Replacer::Push(std::string_view text) {
  held_ += text;
  std::string decided;
  std::string_view rest = held_;
  for (size_t at; (at = rest.find(pattern_)) != rest.npos;) {
    decided += rest.substr(0, at);
    decided += replacement_;
    rest.remove_prefix(at + pattern_.size());
  }
  const size_t open = LengthOfOpenMatch(rest, pattern_);
  decided += rest.substr(0, rest.size() - open);
  held_.erase(0, held_.size() - open);
  return decided;
}

std::string Replacer::Finish() { return std::exchange(held_, {}); }

CleanUp::CleanUp()
    : replacers_{Replacer(" .", "."),    Replacer(" ?", "?"),   Replacer(" !", "!"),
                 Replacer(" ,", ","),    Replacer(" ' ", "'"),  Replacer(" n't", "n't"),
                 Replacer(" 'm", "'m"),  Replacer(" 's", "'s"), Replacer(" 've", "'ve"),
                 Replacer(" 're", "'re")} {}

std::string CleanUp::Push(std::string text) {
  for (Replacer& replacer : replacers_) text = replacer.Push(text);
  return text;
}

std::string CleanUp::Finish() {
  std::string text;
  for (Replacer& replacer : replacers_) {
    text = replacer.Push(text);
    text += replacer.Finish();
  }
  return text;
}

std::string CutAtMarker::Push(std::string_view text) {
  if (found_) return {};
  held_ += text;
  const size_t at = held_.find(marker_);
  found_ = at != held_.npos;
  const size_t decided = found_ ? at : held_.size() - LengthOfOpenMatch(held_, marker_);
  std::string before = held_.substr(0, decided);
  held_.erase(0, found_ ? held_.size() : decided);
  return before;
}

std::string CutAtMarker::Finish() { return std::exchange(held_, {}); }

}  // namespace ixc
