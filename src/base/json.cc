#include "base/json.h"

#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ixc {
namespace {

// Builds the value from the parser's events. Own code instead of the library's builder for three
// reasons: duplicate keys are an error, depth and number of values are bounded, and an object of
// n keys costs O(n) (the ordered map's own insertion searches all keys each time).
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(const std::string& where, const JsonLimits& limits) : where_(where), limits_(limits) {}

  Json TakeResult() { return std::move(root_); }

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(int64_t value) override { return Add(value); }
  bool number_unsigned(uint64_t value) override { return Add(value); }
  bool number_float(double value, const std::string&) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // JSON text has none

  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(std::string& name) override {
    Level& level = open_.back();
    if (!level.keys.insert(name).second) Fail("{}: key '{}' appears twice", where_, name);
    level.key = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    std::string_view reason = error.what();
    if (const size_t end = reason.find("] "); end != reason.npos) reason.remove_prefix(end + 2);
    Fail("{}: not valid JSON at byte {}: {}", where_, position, reason);
  }

 private:
  struct Level {
    Json* container;
    std::string key;  // of the value that comes next, in an object
    std::unordered_set<std::string> keys;
  };

  // Puts a value where the text has it and returns its place. Only the innermost container grows
  // while it is open, so pointers to the open ones stay valid.
  Json* Place(Json value) {
    if (++values_ > limits_.max_values) {
      Fail("{}: more than {} JSON values", where_, limits_.max_values);
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = open_.back();
    if (level.container->is_array()) {
      auto& array = level.container->get_ref<Json::array_t&>();
      return &array.emplace_back(std::move(value));
    }
    auto& object = level.container->get_ref<Json::object_t&>();
    object.Container::emplace_back(std::move(level.key), std::move(value));
    return &object.back().second;
  }

  bool Add(Json value) {
    Place(std::move(value));
    return true;
  }

  bool Open(Json empty) {
    if (open_.size() == limits_.max_depth) {
      Fail("{}: JSON nested deeper than {} levels", where_, limits_.max_depth);
    }
    Json* container = Place(std::move(empty));
    open_.push_back({container, {}, {}});
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const JsonLimits& limits_;
  Json root_;
  std::vector<Level> open_;
  size_t values_ = 0;
};

// The library keeps several copies of a string that it finds no end of, so its length is looked at
// before.
void CheckStringLengths(std::string_view text, const std::string& where, size_t max_bytes) {
  size_t begin = text.npos;  // of the string that is open
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      begin = begin == text.npos ? at + 1 : text.npos;
    } else if (begin != text.npos) {
      if (text[at] == '\\') ++at;
      if (at - begin >= max_bytes) {
        Fail("{}: a string of more than {} bytes at byte {}", where, max_bytes, begin);
      }
    }
  }
}

std::string Shorten(const Json& value) {
  constexpr size_t kLongest = 60;
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = value.dump();  // the parser has checked the UTF-8
  if (text.size() <= kLongest) return text;
  size_t cut = kLongest;
  while ((text[cut] & 0xC0) == 0x80) --cut;  // not inside a character
  return text.substr(0, cut) + "...";
}

std::string Describe(Range<int64_t> range) {
  const bool unbounded = range.max == std::numeric_limits<int64_t>::max();
  if (unbounded && range.min == 1) return "a positive integer";
  if (unbounded) return fmt::format("an integer of at least {}", range.min);
  return fmt::format("an integer in {}..{}", range.min, range.max);
}

std::optional<int64_t> AsInteger(const Json& value) {
  if (value.is_number_unsigned()) {
    const uint64_t number = value.get<uint64_t>();
    if (number > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

}  // namespace

Json ParseJson(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    Fail("{}: {} bytes of JSON, at most {} are read", where, text.size(), limits.max_bytes);
  }
  CheckStringLengths(text, where, limits.max_string_bytes);
  Builder builder(where, limits);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.TakeResult();
}

std::string ToText(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

Json ReadJsonFile(const std::filesystem::path& path, const JsonLimits& limits) {
  return ParseJson(MappedFile(path).text(), path.string(), limits);
}

JsonFields::JsonFields(const Json& value, std::string where)
    : JsonFields(value, std::move(where), "") {}

JsonFields::JsonFields(const Json& value, std::string where, std::string prefix)
    : value_(&value), where_(std::move(where)), prefix_(std::move(prefix)) {
  if (!value.is_object()) Fail("{}: wanted a JSON object, found {}", where_, Shorten(value));
}

const Json* JsonFields::Find(std::string_view key) const {
  const auto it = value_->find(key);
  return it == value_->end() || it->is_null() ? nullptr : &*it;
}

void JsonFields::Reject(std::string_view key, const std::string& wanted) const {
  const Json* value = Find(key);
  Fail("{}: field '{}{}' wanted {}, found {}", where_, prefix_, key, wanted,
       value == nullptr ? "nothing" : Shorten(*value));
}

const Json& JsonFields::Require(std::string_view key, const std::string& wanted) const {
  const Json* value = Find(key);
  if (value == nullptr) Reject(key, wanted);
  return *value;
}

int64_t JsonFields::Integer(std::string_view key, Range<int64_t> range) const {
  const std::optional<int64_t> number = AsInteger(Require(key, Describe(range)));
  if (!number || *number < range.min || *number > range.max) Reject(key, Describe(range));
  return *number;
}

int64_t JsonFields::IntegerOr(std::string_view key, int64_t fallback, Range<int64_t> range) const {
  return Has(key) ? Integer(key, range) : fallback;
}

double JsonFields::Number(std::string_view key, Range<double> range) const {
  const std::string wanted = fmt::format("a number in {}..{}", range.min, range.max);
  const Json& value = Require(key, wanted);
  if (!value.is_number()) Reject(key, wanted);
  const double number = value.get<double>();
  if (!(number >= range.min && number <= range.max)) Reject(key, wanted);
  return number;
}

double JsonFields::NumberOr(std::string_view key, double fallback, Range<double> range) const {
  return Has(key) ? Number(key, range) : fallback;
}

bool JsonFields::Bool(std::string_view key) const {
  const Json& value = Require(key, "true or false");
  if (!value.is_boolean()) Reject(key, "true or false");
  return value.get<bool>();
}

bool JsonFields::BoolOr(std::string_view key, bool fallback) const {
  return Has(key) ? Bool(key) : fallback;
}

std::string JsonFields::String(std::string_view key) const {
  const Json& value = Require(key, "a string");
  if (!value.is_string()) Reject(key, "a string");
  return value.get<std::string>();
}

std::string JsonFields::StringOr(std::string_view key, std::string fallback) const {
  return Has(key) ? String(key) : fallback;
}

JsonFields JsonFields::Object(std::string_view key) const {
  const Json& value = Require(key, "an object");
  if (!value.is_object()) Reject(key, "an object");
  return JsonFields(value, where_, fmt::format("{}{}.", prefix_, key));
}

}  // namespace ixc
