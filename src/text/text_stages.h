// Stages that turn the pieces of a token sequence into text, a little at a time. Each gives out
// what later input cannot change any more and holds back the rest; what it gives out, with what
// the final Finish() returns, is the result for the whole input, however the input was cut.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ixc {

// Joins whole text with runs of single bytes. A run is read as UTF-8; each byte of it that begins
// no character becomes U+FFFD, an unfinished character at the end of a run included.
class ByteJoiner {
 public:
  std::string PushText(std::string_view text);
  std::string PushByte(uint8_t byte);
  std::string Finish();

 private:
  std::string TakeDecided(bool at_end_of_run);

  std::string run_;  // undecided: the open beginning of one character
};

// Replaces every occurrence of a pattern, leftmost first, as Python's str.replace().
class Replacer {
 public:
  // Both must outlive the replacer; the pattern is not empty.
  Replacer(std::string_view pattern, std::string_view replacement)
      : pattern_(pattern), replacement_(replacement) {}
  std::string Push(std::string_view text);
  std::string Finish();

 private:
  std::string_view pattern_;
  std::string_view replacement_;
  std::string held_;  // begins the pattern
};

// The replacements that the reference's tokenizer makes in decoded text, one after the other:
// no space before . ? ! , and in English contractions.
class CleanUp {
 public:
  CleanUp();
  std::string Push(std::string text);
  std::string Finish();

 private:
  std::array<Replacer, 10> replacers_;
};

// Text before the first occurrence of a marker.
class CutAtMarker {
 public:
  explicit CutAtMarker(std::string_view marker) : marker_(marker) {}  // must outlive this object
  std::string Push(std::string_view text);
  std::string Finish();
  bool found() const { return found_; }

 private:
  std::string_view marker_;
  std::string held_;  // begins the marker
  bool found_ = false;
};

}  // namespace ixc
