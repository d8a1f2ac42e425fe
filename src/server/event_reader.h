// Server-sent events out of the bytes of a stream, however those are cut.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ixc {

class EventReader {
 public:
  // Data of the events that these bytes complete.
  std::vector<std::string> Push(std::string_view bytes) {
    std::vector<std::string> events;
    held_ += bytes;
    size_t begin = 0;
    for (size_t end; (end = held_.find("\n\n", begin)) != held_.npos; begin = end + 2) {
      std::string_view event = std::string_view(held_).substr(begin, end - begin);
      if (!event.starts_with("data:")) continue;  // a comment
      event.remove_prefix(event.starts_with("data: ") ? 6 : 5);
      events.emplace_back(event);
    }
    held_.erase(0, begin);
    return events;
  }

 private:
  std::string held_;
};

}  // namespace ixc
