// Fields of a request's JSON: the project's typed getters, with errors in OpenAI's shape.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"

namespace ixc {

[[noreturn]] inline void RejectField(const std::string& param, const std::string& message,
                                     const std::string& code = "invalid_value") {
  throw ApiError(400, code, param, message);
}

// Runs `read`; what it finds wrong is put down to `param`.
template <typename Read>
auto ReadField(const std::string& param, Read&& read) {
  try {
    return read();
  } catch (const ApiError&) {
    throw;
  } catch (const Error& error) {
    RejectField(param, error.what());
  }
}

// The body of a request.
Json ParseBody(std::string_view body, size_t max_bytes, size_t max_string_bytes);

class RequestFields {
 public:
  // `prefix` is what names of fields begin with in errors, as in "messages[2].".
  RequestFields(const Json& object, std::string prefix);

  // Throws for a field that is not in any of the lists. Those that are null count as absent.
  void CheckNames(std::initializer_list<std::span<const std::string_view>> known) const;

  bool Has(std::string_view key) const { return fields_.Has(key); }
  const Json* Find(std::string_view key) const { return fields_.Find(key); }
  std::string Name(std::string_view key) const { return prefix_ + std::string(key); }

  int64_t IntegerOr(std::string_view key, int64_t fallback, Range<int64_t> range) const;
  double NumberOr(std::string_view key, double fallback, Range<double> range) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  std::string String(std::string_view key) const;

 private:
  const Json* object_;
  std::string prefix_;
  JsonFields fields_;
};

}  // namespace ixc
