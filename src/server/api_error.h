// An answer that is an error, in OpenAI's shape.
#pragma once

#include <string>
#include <utility>

#include "ixc/error.h"
#include "server/http.h"

namespace ixc {

// Caught where a route ends. The message goes to the client: it names no path and no address.
class ApiError : public Error {
 public:
  ApiError(int status, std::string code, std::string param, const std::string& message)
      : Error(message), status_(status), code_(std::move(code)), param_(std::move(param)) {}

  int status() const { return status_; }
  const std::string& code() const { return code_; }
  const std::string& param() const { return param_; }  // "": none

 private:
  int status_;
  std::string code_;
  std::string param_;
};

// {"error": {"message", "type", "param", "code"}}; the type follows from the status. 429 and 503
// say when to try again.
HttpResponse ToResponse(const ApiError& error);
// The same as text, for an answer that has begun.
std::string ToJsonText(const ApiError& error);

}  // namespace ixc
