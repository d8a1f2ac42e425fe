// Many clients at once, for so many requests or so long.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "server/load_client.h"

namespace ixc {

struct LoadPlan {
  LoadTarget target;
  int num_clients = 1;
  int num_requests = 0;    // of all clients; 0: as many as fit into the time
  double seconds = 0;      // 0: until all requests are answered
  double leave_share = 0;  // of requests whose client leaves in the midst of the answer
  uint64_t seed = 0;       // of who leaves, and when
  // The body of request number i.
  std::function<std::string(int i)> body;
  std::function<bool()> is_cancelled;         // may be empty
  std::function<void(int done)> on_progress;  // may be empty; one call at a time
};

struct LoadResult {
  std::vector<LoadSample> samples;  // in the order of their ends
  double seconds = 0;
};

// A client asks its next question when it has the answer to the one before; after a 429 it waits a
// little.
LoadResult RunLoad(const LoadPlan& plan);

}  // namespace ixc
