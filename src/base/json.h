// JSON from untrusted files and clients: parsing within limits, and typed getters whose errors
// name the file and the field.
//
// nlohmann/json is the one JSON library of the project and this is the one header that brings it
// in; include it from .cc files only. Objects keep the order of the text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/limits.h"

extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ixc {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  size_t max_bytes = kMaxJsonBytes;
  size_t max_depth = kMaxJsonDepth;
  size_t max_values = kMaxJsonValues;  // of any kind, containers included: bounds memory
  size_t max_string_bytes = kMaxTextBytes;
};

// Parses a whole text. Errors say "WHERE: ... at byte N": not valid JSON or UTF-8, anything after
// the value, a key twice in one object, a limit exceeded.
Json ParseJson(std::string_view text, const std::string& where, const JsonLimits& limits = {});

// The text of a value; bytes that are not UTF-8 (file names may hold any) become U+FFFD. Values
// that hold text from elsewhere are written with this and not with Json::dump(), which throws for
// them.
std::string ToText(const Json& value, int indent = -1);

// ParseJson() of a regular file; `where` is its path.
Json ReadJsonFile(const std::filesystem::path& path, const JsonLimits& limits = {});

// A closed range of numbers that a field may have.
template <typename T>
struct Range {
  T min;
  T max;
};
inline constexpr Range<int64_t> kPositive{1, std::numeric_limits<int64_t>::max()};
inline constexpr Range<int64_t> kNonNegative{0, std::numeric_limits<int64_t>::max()};

// Typed access to the fields of a JSON object. A field that holds null counts as absent.
// Errors: "config.json: field 'hidden_size' wanted a positive integer, found \"x\"".
// The Json value must outlive the reader.
class JsonFields {
 public:
  // `where` names the text (a path, "request body"); throws when `value` is not an object.
  JsonFields(const Json& value, std::string where);

  const std::string& where() const { return where_; }
  const Json* Find(std::string_view key) const;  // nullptr when absent or null
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  int64_t Integer(std::string_view key, Range<int64_t> range) const;
  int64_t IntegerOr(std::string_view key, int64_t fallback, Range<int64_t> range) const;
  double Number(std::string_view key, Range<double> range) const;
  double NumberOr(std::string_view key, double fallback, Range<double> range) const;
  bool Bool(std::string_view key) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  std::string String(std::string_view key) const;
  std::string StringOr(std::string_view key, std::string fallback) const;
  JsonFields Object(std::string_view key) const;  // fields inside are named 'key.field'

  // Throws the error above for a field whose value the caller finds wrong.
  [[noreturn]] void Reject(std::string_view key, const std::string& wanted) const;

 private:
  JsonFields(const Json& value, std::string where, std::string prefix);
  const Json& Require(std::string_view key, const std::string& wanted) const;

  const Json* value_;
  std::string where_;
  std::string prefix_;
};

}  // namespace ixc
