// One client of an OpenAI-compatible server, for measurements: asks, and notes when what arrives.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace ixc {

struct LoadTarget {
  std::string host;
  std::string port = "80";
  std::string path;  // before /v1/…, as of a reverse proxy; no slash at its end
  std::string api_key;

  // From "http://HOST[:PORT][/PATH]". Throws for anything else.
  static LoadTarget FromUrl(const std::string& url);
};

struct LoadSample {
  int status = 0;            // of HTTP; 0: the connection failed
  bool complete = false;     // the answer came to its end
  bool left = false;         // on purpose, in the midst of it
  double first_seconds = 0;  // until the first piece of text
  double total_seconds = 0;
  double longest_gap_seconds = 0;  // between two pieces
  int64_t tokens = 0;              // of the answer
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;

  // Between two tokens, on average.
  double SecondsPerToken() const {
    return tokens < 2 ? 0 : (total_seconds - first_seconds) / static_cast<double>(tokens - 1);
  }
};

// Keeps its connection from one request to the next.
class LoadClient {
 public:
  explicit LoadClient(const LoadTarget& target);
  ~LoadClient();

  // The name of the first model that the server has. Throws when it cannot be asked.
  std::string ModelName();
  // POSTs the body of a streamed chat with usage. With leave_after > 0 the client leaves after so
  // many pieces. Throws nothing.
  LoadSample Ask(const std::string& body, int leave_after = 0);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ixc
