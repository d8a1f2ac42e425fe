// Pictures from other web servers, for clients that may choose the URL but must not reach into the
// network that this server stands in.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace ixc {

struct FetchLimits {
  size_t max_bytes = size_t{10} << 20;
  std::chrono::milliseconds time{10'000};  // all hops together
  int max_redirects = 3;
  // For tests, which have only their own machine to fetch from.
  bool allow_loopback = false;
};

// GETs an http or https URL whose host is one of `allowed_hosts`, as is that of every redirection.
// A host is resolved once a hop, every one of its addresses has to be a public one, and the
// connection goes to the address that was checked. Throws ApiError.
std::vector<std::byte> FetchUrl(const std::string& url,
                                const std::vector<std::string>& allowed_hosts,
                                const FetchLimits& limits);

}  // namespace ixc
