// The keys that open the API, from a file with one a line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

class ApiKeys {
 public:
  ApiKeys() = default;  // none: every request is let in
  // Blank lines and those that begin with # do not count. A key has at least 16 characters, all of
  // them visible ASCII. Throws ixc::Error.
  static ApiKeys FromText(std::string_view text, const std::string& where);

  bool empty() const { return digests_.empty(); }

  // The number of the key in the value of an Authorization header: "Bearer KEY", or, for browsers,
  // "Basic" with the key as the password. How long it takes does not depend on the keys.
  std::optional<size_t> Find(std::string_view authorization) const;

 private:
  std::vector<std::string> digests_;  // SHA-256, all of one length
};

}  // namespace ixc
