#include "engine/json_grammar.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "text/chat_template.h"

namespace ixc {
namespace {

using Place = GrammarBuilder::Place;

// The parts of JSON, as pieces of a grammar.
class JsonPieces {
 public:
  explicit JsonPieces(GrammarBuilder& grammar) : g_(grammar) {
    character_ = MakeCharacter();
    string_ = g_.Text("\"", Characters(-1, g_.Text("\"", g_.Return())));
    integer_ = MakeInteger(17, g_.Return());
    number_ = MakeNumber(g_.Return());
    // Any value: a rule that calls itself.
    const Place end = g_.Return();
    value_ = g_.Reserve();
    g_.Set(value_, g_.Either({Object(end), Array(end), String(end), Number(end),
                              g_.Text("true", end), g_.Text("false", end), g_.Text("null", end)}));
  }

  Place Space(Place next) {
    const Place indented = g_.Repeat(
        0, 20, [this](Place again) { return g_.Text(" ", again); }, next);
    return g_.Either({next, g_.Text(" ", next), g_.Text("\n", indented)});
  }
  Place String(Place next) { return g_.Call(string_, next); }
  Place ShortString(int max_length, Place next) {
    return g_.Text("\"", Characters(max_length, g_.Text("\"", next)));
  }
  Place Integer(Place next) { return g_.Call(integer_, next); }
  Place Number(Place next) { return g_.Call(number_, next); }
  Place Value(Place next) { return g_.Call(value_, next, /*nests=*/true); }

  Place Object(Place next) {
    const Place member = g_.Reserve();
    const Place after = g_.Either({g_.Text(",", Space(member)), Space(g_.Text("}", next))});
    g_.Set(member, String(g_.Text(":", Space(Value(after)))));
    return g_.Text("{", Space(g_.Either({member, g_.Text("}", next)})));
  }

  Place Array(Place next) {
    const Place item = g_.Reserve();
    const Place after = g_.Either({g_.Text(",", Space(item)), Space(g_.Text("]", next))});
    g_.Set(item, Value(after));
    return g_.Text("[", Space(g_.Either({item, g_.Text("]", next)})));
  }

 private:
  Place Characters(int max, Place next) {
    return g_.Repeat(
        0, max, [this](Place again) { return g_.Call(character_, again); }, next);
  }

  // One character of a string: UTF-8 in its shortest form, or an escape that stands for one.
  Place MakeCharacter() {
    const Place end = g_.Return();
    const Place one = g_.Range(0x80, 0xBF, end);
    const Place two = g_.Range(0x80, 0xBF, one);
    const Place three = g_.Range(0x80, 0xBF, two);
    const Place escape =
        g_.Text("\\", g_.Either({MakeNamedEscape(end), g_.Text("u", MakeHex(end))}));
    return g_.Either({g_.Range(0x20, 0x21, end), g_.Range(0x23, 0x5B, end),
                      g_.Range(0x5D, 0x7F, end), g_.Range(0xC2, 0xDF, one),
                      g_.Text("\xE0", g_.Range(0xA0, 0xBF, one)), g_.Range(0xE1, 0xEC, two),
                      g_.Text("\xED", g_.Range(0x80, 0x9F, one)), g_.Range(0xEE, 0xEF, two),
                      g_.Text("\xF0", g_.Range(0x90, 0xBF, two)), g_.Range(0xF1, 0xF3, three),
                      g_.Text("\xF4", g_.Range(0x80, 0x8F, two)), escape});
  }

  Place MakeNamedEscape(Place next) {
    std::vector<Place> places;
    for (char name : std::string_view("\"\\/bfnrt")) {
      places.push_back(g_.Text(std::string_view(&name, 1), next));
    }
    return g_.Either(places);
  }

  // Four hexadecimal digits that are no half of a surrogate pair.
  Place MakeHex(Place next) {
    const auto hex = [this](Place after) {
      return g_.Either(
          {g_.Range('0', '9', after), g_.Range('a', 'f', after), g_.Range('A', 'F', after)});
    };
    const Place two = hex(hex(next));
    const Place three = hex(two);
    const Place low = g_.Range('0', '7', two);
    return g_.Either({g_.Range('0', '9', three), g_.Range('a', 'c', three),
                      g_.Range('A', 'C', three), g_.Range('e', 'f', three),
                      g_.Range('E', 'F', three), g_.Text("d", low), g_.Text("D", low)});
  }

  Place Digits(int min, int max, Place next) {
    return g_.Repeat(
        min, max, [this](Place again) { return g_.Range('0', '9', again); }, next);
  }

  Place MakeInteger(int max_more, Place next) {
    const Place digits =
        g_.Either({g_.Text("0", next), g_.Range('1', '9', Digits(0, max_more, next))});
    return g_.Either({digits, g_.Text("-", digits)});
  }

  Place MakeNumber(Place next) {
    const Place power = Digits(1, 2, next);
    const Place sign = g_.Either({power, g_.Text("+", power), g_.Text("-", power)});
    const Place exponent = g_.Either({next, g_.Text("e", sign), g_.Text("E", sign)});
    const Place fraction = g_.Either({exponent, g_.Text(".", Digits(1, 15, exponent))});
    return MakeInteger(14, fraction);
  }

  GrammarBuilder& g_;
  Place character_;
  Place string_;
  Place integer_;
  Place number_;
  Place value_;
};

// A value as the text that stands for it, written so that nothing that is done to an answer's text
// changes it: its clean-up removes a space before some characters, and it ends at a marker.
std::string Literal(const Json& value) {
  std::string text = ToText(value);
  for (size_t at = 0; (at = text.find(kTurnEnd, at)) != text.npos;) text.replace(at, 1, "\\u005b");
  constexpr std::string_view kMoved = ".?!,'n";
  for (size_t at = 0; (at = text.find(' ', at)) != text.npos; ++at) {
    if (at + 1 < text.size() && kMoved.find(text[at + 1]) != kMoved.npos) {
      text.replace(at, 1, "\\u0020");
    }
  }
  return text;
}

constexpr std::string_view kAnnotations[] = {"title",       "description", "default",  "examples",
                                             "$schema",     "$id",         "$comment", "$defs",
                                             "definitions", "deprecated",  "readOnly", "writeOnly"};

bool IsAnnotation(std::string_view key) {
  return std::ranges::find(kAnnotations, key) != std::end(kAnnotations);
}

class SchemaCompiler {
 public:
  explicit SchemaCompiler(const Json& root) : root_(root), json_(g_) {}

  ByteGrammar Compile() {
    const Place end = g_.Match();
    return g_.Finish(Schema(root_, "schema", end));
  }

 private:
  Place Schema(const Json& schema, const std::string& where, Place next) {
    if (++depth_ > kMaxDepth) Fail("{}: nested deeper than {} levels", where, kMaxDepth);
    const Place place = Dispatch(schema, where, next);
    --depth_;
    return place;
  }

  Place Dispatch(const Json& schema, const std::string& where, Place next) {
    if (schema == true) return json_.Value(next);
    if (!schema.is_object()) Fail("{}: a schema is an object", where);
    if (schema.contains("$ref")) return Reference(schema, where, next);
    if (schema.contains("anyOf")) return AnyOf(schema, where, next);
    if (schema.contains("const") || schema.contains("enum")) return Constants(schema, where, next);
    std::vector<Place> places;
    const std::vector<std::string> types = Types(schema, where);
    CheckKeywords(schema, where, types);
    for (const std::string& type : types) places.push_back(Typed(type, schema, where, next));
    return g_.Either(places);
  }

  Place Typed(const std::string& type, const Json& schema, const std::string& where, Place next) {
    if (type == "object") return Object(schema, where, next);
    if (type == "array") return Array(schema, where, next);
    if (type == "integer") return json_.Integer(next);
    if (type == "number") return json_.Number(next);
    if (type == "boolean") return g_.Either({g_.Text("true", next), g_.Text("false", next)});
    if (type == "null") return g_.Text("null", next);
    if (type == "any") return json_.Value(next);
    const int max_length = Bound(schema, "maxLength", where, -1);
    return max_length < 0 ? json_.String(next) : json_.ShortString(max_length, next);
  }

  static std::vector<std::string> Types(const Json& schema, const std::string& where) {
    constexpr std::string_view kTypes[] = {"object",  "array",   "string", "number",
                                           "integer", "boolean", "null"};
    if (!schema.contains("type")) {
      return {schema.contains("properties") ? "object"
              : schema.contains("items")    ? "array"
                                            : "any"};
    }
    Json names = schema["type"];
    if (!names.is_array()) names = Json::array({names});
    std::vector<std::string> types;
    for (const Json& name : names) {
      if (!name.is_string() ||
          std::ranges::find(kTypes, name.get<std::string>()) == std::end(kTypes)) {
        Fail("{}: type names one of object, array, string, number, integer, boolean and null",
             where);
      }
      types.push_back(name.get<std::string>());
    }
    if (types.empty()) Fail("{}: type names nothing", where);
    return types;
  }

  // Every keyword has to have an effect here, or none at all.
  static void CheckKeywords(const Json& schema, const std::string& where,
                            const std::vector<std::string>& types) {
    std::set<std::string_view> known = {"type"};
    for (const std::string& type : types) {
      if (type == "object") known.insert({"properties", "required", "additionalProperties"});
      if (type == "array") known.insert({"items", "minItems", "maxItems"});
      if (type == "string") known.insert("maxLength");
    }
    CheckKeywords(schema, where, known);
  }

  static void CheckKeywords(const Json& schema, const std::string& where,
                            const std::set<std::string_view>& known) {
    for (const auto& [key, value] : schema.items()) {
      if (known.contains(key) || IsAnnotation(key)) continue;
      Fail("{}: the keyword '{}' is not supported here", where, key);
    }
  }

  static int Bound(const Json& schema, const char* key, const std::string& where, int fallback) {
    if (!schema.contains(key)) return fallback;
    return static_cast<int>(JsonFields(schema, where).Integer(key, {0, 1'000'000}));
  }

  Place Object(const Json& schema, const std::string& where, Place next) {
    const Json* more =
        schema.contains("additionalProperties") ? &schema["additionalProperties"] : nullptr;
    if (more != nullptr && !more->is_boolean()) {
      Fail("{}: additionalProperties is supported as true or false only", where);
    }
    const bool has_properties = schema.contains("properties");
    const std::set<std::string> required = Required(schema, where);
    if (!has_properties && required.empty() && (more == nullptr || *more == true)) {
      return json_.Object(next);
    }
    const Json properties = has_properties ? schema["properties"] : Json::object();
    if (!properties.is_object()) Fail("{}: properties is an object", where);
    for (const std::string& name : required) {
      if (!properties.contains(name)) {
        Fail("{}: '{}' is required and not one of the properties", where, name);
      }
    }
    return Members(properties, required, where, next);
  }

  // From the last property to the first: `first` is where to go on when nothing has been written
  // yet, `rest` when something has, so that a comma comes before the next.
  Place Members(const Json& properties, const std::set<std::string>& required,
                const std::string& where, Place next) {
    const Place close = json_.Space(g_.Text("}", next));
    Place first = close;
    Place rest = close;
    std::vector<std::pair<std::string, const Json*>> members;
    for (const auto& [name, property] : properties.items()) members.emplace_back(name, &property);
    for (size_t i = members.size(); i-- > 0;) {
      const auto& [name, property] = members[i];
      const Place value = Schema(*property, where + ".properties." + name, rest);
      const Place member = g_.Text(Literal(name), g_.Text(":", json_.Space(value)));
      const Place further = g_.Text(",", json_.Space(member));
      const bool needed = required.contains(name);
      first = needed ? member : g_.Either({member, first});
      rest = needed ? further : g_.Either({further, rest});
    }
    return g_.Text("{", json_.Space(first));
  }

  static std::set<std::string> Required(const Json& schema, const std::string& where) {
    std::set<std::string> names;
    if (!schema.contains("required")) return names;
    if (!schema["required"].is_array()) Fail("{}: required is a list of names", where);
    for (const Json& name : schema["required"]) {
      if (!name.is_string()) Fail("{}: required is a list of names", where);
      names.insert(name.get<std::string>());
    }
    return names;
  }

  Place Array(const Json& schema, const std::string& where, Place next) {
    const int min = Bound(schema, "minItems", where, 0);
    const int max = Bound(schema, "maxItems", where, -1);
    if (max >= 0 && max < min) Fail("{}: maxItems is less than minItems", where);
    const Place empty = g_.Text("[", json_.Space(g_.Text("]", next)));
    if (max == 0) return empty;
    // A rule of its own, because it stands at two places: before the first comma and behind others.
    const Place item = schema.contains("items")
                           ? Schema(schema["items"], where + ".items", g_.Return())
                           : json_.Value(g_.Return());
    const Place more = g_.Repeat(
        std::max(min - 1, 0), max < 0 ? -1 : max - 1,
        [&](Place again) { return g_.Text(",", json_.Space(g_.Call(item, again))); },
        json_.Space(g_.Text("]", next)));
    const Place filled = g_.Text("[", json_.Space(g_.Call(item, more)));
    return min > 0 ? filled : g_.Either({filled, empty});
  }

  Place Constants(const Json& schema, const std::string& where, Place next) {
    CheckKeywords(schema, where, std::set<std::string_view>{"const", "enum", "type"});
    if (schema.contains("const") && schema.contains("enum")) {
      Fail("{}: const and enum together are not supported", where);
    }
    Json values = schema.contains("const") ? Json::array({schema["const"]}) : schema["enum"];
    if (!values.is_array() || values.empty()) Fail("{}: enum is a list of values", where);
    const std::vector<std::string> types = Types(schema, where);
    std::vector<Place> places;
    for (const Json& value : values) {
      const bool fits = std::ranges::any_of(
          types, [&](const std::string& type) { return type == "any" || Fits(value, type); });
      if (!fits) Fail("{}: a value of enum or const is not of the type", where);
      places.push_back(g_.Text(Literal(value), next));
    }
    return g_.Either(places);
  }

  static bool Fits(const Json& value, const std::string& type) {
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return value.type_name() == type;
  }

  Place AnyOf(const Json& schema, const std::string& where, Place next) {
    CheckKeywords(schema, where, std::set<std::string_view>{"anyOf"});
    const Json& choices = schema["anyOf"];
    if (!choices.is_array() || choices.empty()) Fail("{}: anyOf is a list of schemas", where);
    std::vector<Place> places;
    for (size_t i = 0; i < choices.size(); ++i) {
      places.push_back(Schema(choices[i], fmt::format("{}.anyOf[{}]", where, i), next));
    }
    return g_.Either(places);
  }

  Place Reference(const Json& schema, const std::string& where, Place next) {
    CheckKeywords(schema, where, std::set<std::string_view>{"$ref"});
    const std::string target = JsonFields(schema, where).String("$ref");
    const auto known = rules_.find(target);
    if (known != rules_.end()) {
      if (!known->second) Fail("{}: {} refers to itself, which is not supported", where, target);
      return g_.Call(*known->second, next);
    }
    const Json& definition = Definition(target, where);
    rules_[target] = std::nullopt;  // while it is open
    const Place rule = Schema(definition, target, g_.Return());
    rules_[target] = rule;
    return g_.Call(rule, next);
  }

  const Json& Definition(const std::string& target, const std::string& where) const {
    for (const std::string_view folder : {"$defs", "definitions"}) {
      const std::string prefix = fmt::format("#/{}/", folder);
      if (!target.starts_with(prefix) || !root_.contains(folder)) continue;
      const Json& definitions = root_[std::string(folder)];
      const std::string name = target.substr(prefix.size());
      if (definitions.is_object() && definitions.contains(name)) return definitions[name];
    }
    Fail("{}: there is no '{}'; wanted #/$defs/NAME", where, target);
  }

  static constexpr int kMaxDepth = 32;
  const Json& root_;
  GrammarBuilder g_;
  JsonPieces json_;
  std::map<std::string, std::optional<Place>> rules_;  // none: being compiled
  int depth_ = 0;
};

}  // namespace

std::shared_ptr<const ByteGrammar> JsonObjectGrammar() {
  static const auto grammar = [] {
    GrammarBuilder builder;
    JsonPieces json(builder);
    const Place start = json.Object(builder.Match());
    return std::make_shared<const ByteGrammar>(builder.Finish(start));
  }();
  return grammar;
}

std::shared_ptr<const ByteGrammar> JsonSchemaGrammar(const std::string& schema) {
  const Json root = ParseJson(schema, "schema");
  return std::make_shared<const ByteGrammar>(SchemaCompiler(root).Compile());
}

}  // namespace ixc
