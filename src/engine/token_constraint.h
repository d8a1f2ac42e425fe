// What an answer may consist of, token by token: `response_format` of the server is one.
#pragma once

#include <cstdint>
#include <span>

namespace ixc {

class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Sets the logits [vocabulary] of every token that may not come next to minus infinity; at least
  // one stays. Stop tokens are allowed exactly where the text may end.
  virtual void Mask(std::span<float> logits) const = 0;
  // The token that was chosen; one that Mask() allowed.
  virtual void Accept(int32_t id) = 0;
};

}  // namespace ixc
