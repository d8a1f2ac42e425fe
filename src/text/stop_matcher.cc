#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace ixc {

namespace {

// Length of the longest end of `text` that begins `stop` without being all of it.
size_t OpenLength(std::string_view text, std::string_view stop) {
  for (size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

std::string StopMatcher::Push(std::string_view text) {
  if (found_) return {};
  held_ += text;
  size_t first_end = std::string::npos, begin = 0;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end < first_end || (end == first_end && at < begin)) {
      first_end = end;
      begin = at;
    }
  }
  if (first_end != std::string::npos) {
    found_ = true;
    held_.resize(begin);
    return std::exchange(held_, {});
  }
  size_t open = 0;
  for (const std::string& stop : stops_) open = std::max(open, OpenLength(held_, stop));
  std::string certain = held_.substr(0, held_.size() - open);
  held_.erase(0, held_.size() - open);
  return certain;
}

std::string StopMatcher::Finish() { return std::exchange(held_, {}); }

}  // namespace ixc
