#include "server/api_error.h"

#include "base/json.h"
#include "base/printable.h"

namespace ixc {
namespace {

const char* TypeOf(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 404) return "not_found_error";
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

}  // namespace

std::string ToJsonText(const ApiError& error) {
  Json fields;
  fields["message"] = Printable(error.what());
  fields["type"] = TypeOf(error.status());
  fields["param"] = error.param().empty() ? Json(nullptr) : Json(error.param());
  fields["code"] = error.code();
  Json body;
  body["error"] = std::move(fields);
  return ToText(body);
}

HttpResponse ToResponse(const ApiError& error) {
  HttpResponse response;
  response.status = error.status();
  response.body = ToJsonText(error);
  if (error.status() == 429 || error.status() == 503) {
    response.headers.emplace_back("Retry-After", "1");
  }
  if (error.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace ixc
