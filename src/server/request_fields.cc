#include "server/request_fields.h"

#include <algorithm>

namespace ixc {
namespace {

JsonFields FieldsOf(const Json& object, const std::string& prefix) {
  std::string where = "request";
  if (!prefix.empty()) where += ": " + prefix.substr(0, prefix.size() - 1);
  return ReadField(prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1),
                   [&] { return JsonFields(object, where); });
}

}  // namespace

Json ParseBody(std::string_view body, size_t max_bytes, size_t max_string_bytes) {
  try {
    JsonLimits limits;
    limits.max_bytes = max_bytes;
    limits.max_string_bytes = max_string_bytes;
    return ParseJson(body, "request", limits);
  } catch (const Error& error) {
    throw ApiError(400, "invalid_json", "", error.what());
  }
}

RequestFields::RequestFields(const Json& object, std::string prefix)
    : object_(&object), prefix_(std::move(prefix)), fields_(FieldsOf(object, prefix_)) {}

void RequestFields::CheckNames(
    std::initializer_list<std::span<const std::string_view>> known) const {
  for (const auto& field : object_->items()) {
    const std::string& name = field.key();
    const bool found = std::ranges::any_of(known, [&](std::span<const std::string_view> names) {
      return std::ranges::find(names, name) != names.end();
    });
    if (!found) {
      RejectField(Name(name), "request: field '" + Name(name) + "' is not supported",
                  "unsupported_field");
    }
  }
}

int64_t RequestFields::IntegerOr(std::string_view key, int64_t fallback,
                                 Range<int64_t> range) const {
  return ReadField(Name(key), [&] { return fields_.IntegerOr(key, fallback, range); });
}

double RequestFields::NumberOr(std::string_view key, double fallback, Range<double> range) const {
  return ReadField(Name(key), [&] { return fields_.NumberOr(key, fallback, range); });
}

bool RequestFields::BoolOr(std::string_view key, bool fallback) const {
  return ReadField(Name(key), [&] { return fields_.BoolOr(key, fallback); });
}

std::string RequestFields::String(std::string_view key) const {
  return ReadField(Name(key), [&] { return fields_.String(key); });
}

}  // namespace ixc
