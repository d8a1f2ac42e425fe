// Ends a streamed text before the first stop text in it, giving out what later text cannot turn
// into the beginning of one.
//
// Of several stop texts the one that is complete first ends the text; of those that are complete at
// once, the longest. So the result does not depend on how the text was cut.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ixc {

class StopMatcher {
 public:
  // None of the texts is empty; no texts: everything passes.
  explicit StopMatcher(std::vector<std::string> stops);

  // Takes more text; returns what is now certain to be part of the result. Whole characters stay
  // whole as long as the stop texts are UTF-8.
  std::string Push(std::string_view text);
  // What was held back. Push is not called again.
  std::string Finish();
  // A stop text has come; there will be no more text.
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace ixc
