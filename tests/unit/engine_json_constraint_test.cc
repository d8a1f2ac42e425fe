#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/json.h"
#include "engine/json_constraint.h"
#include "engine/json_grammar.h"
#include "text/chat_template.h"
#include "text/stream_decoder.h"
#include "unit/temp_dir.h"
#include "unit/text_test_tokenizers.h"

namespace ixc {
namespace {

struct Vocabulary {
  explicit Vocabulary(const Tokenizer& of)
      : tokenizer(of),
        pieces(std::make_shared<const PieceTrie>(of, kTurnEnd)),
        stop_ids(StopIds(of)) {}
  const Tokenizer& tokenizer;
  std::shared_ptr<const PieceTrie> pieces;
  std::vector<int32_t> stop_ids;
};

const Vocabulary& Small() {
  static const Vocabulary vocabulary(SmallTokenizer());
  return vocabulary;
}

const Vocabulary& Real() {
  static const Vocabulary vocabulary(RealTokenizer());
  return vocabulary;
}

std::vector<int32_t> Allowed(const Vocabulary& vocabulary, const JsonConstraint& constraint) {
  std::vector<float> logits(static_cast<size_t>(vocabulary.tokenizer.vocab_size()), 0.0f);
  constraint.Mask(logits);
  std::vector<int32_t> ids;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] == 0) ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

// Whether a token of these bytes may come next.
bool Allows(const Vocabulary& vocabulary, const JsonConstraint& constraint,
            std::string_view bytes) {
  for (int32_t id : Allowed(vocabulary, constraint)) {
    if (vocabulary.pieces->Bytes(id) == bytes) return true;
  }
  return false;
}

bool AllowsStop(const Vocabulary& vocabulary, const JsonConstraint& constraint) {
  const std::vector<int32_t> ids = Allowed(vocabulary, constraint);
  return std::ranges::all_of(
      vocabulary.stop_ids, [&](int32_t stop) { return std::ranges::find(ids, stop) != ids.end(); });
}

// Gives the constraint a text byte by byte.
void Write(const Vocabulary& vocabulary, JsonConstraint& constraint, std::string_view text) {
  for (char c : text) {
    const auto [begin, end] = vocabulary.pieces->Find({&c, 1});
    const int32_t id = vocabulary.pieces->Ids(begin, begin + 1).front();
    const std::vector<int32_t> allowed = Allowed(vocabulary, constraint);
    ASSERT_NE(std::ranges::find(allowed, id), allowed.end()) << text << " at '" << c << "'";
    constraint.Accept(id);
    static_cast<void>(end);
  }
}

// A whole answer of random tokens. From some step on those that close something are preferred, so
// that it comes to an end.
std::string RandomAnswer(const Vocabulary& vocabulary, JsonConstraint& constraint, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(static_cast<size_t>(vocabulary.tokenizer.vocab_size()));
  StreamDecoder decoder(vocabulary.tokenizer);
  std::string text;
  const int patience = static_cast<int>(random() % 40);
  for (int step = 0; step < 3000; ++step) {
    for (float& logit : logits) logit = normal(random);
    if (step >= patience) {
      for (const char* closing : {"\"", "}", "]", "0"}) {
        const auto [begin, end] = vocabulary.pieces->Find(closing);
        for (int32_t id : vocabulary.pieces->Ids(begin, begin + 1)) {
          logits[static_cast<size_t>(id)] += 20;
        }
        static_cast<void>(end);
      }
      for (int32_t id : vocabulary.stop_ids) logits[static_cast<size_t>(id)] += 40;
    }
    constraint.Mask(logits);
    const auto best = std::ranges::max_element(logits);
    EXPECT_TRUE(std::isfinite(*best)) << "no token is left after " << text;
    if (!std::isfinite(*best)) return text;
    const auto id = static_cast<int32_t>(best - logits.begin());
    constraint.Accept(id);
    if (std::ranges::find(vocabulary.stop_ids, id) != vocabulary.stop_ids.end()) {
      return text + decoder.Finish();
    }
    text += decoder.Push(id);
    EXPECT_FALSE(decoder.ended()) << text;
  }
  ADD_FAILURE() << "no end: " << text;
  return text;
}

size_t CountCharacters(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// The meaning of the keywords, written apart from the grammar.
bool Satisfies(const Json& value, const Json& schema, const Json& root) {
  if (schema == true) return true;
  if (schema.contains("$ref")) {
    return Satisfies(
        value, root.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))), root);
  }
  if (schema.contains("anyOf")) {
    return std::ranges::any_of(schema["anyOf"],
                               [&](const Json& one) { return Satisfies(value, one, root); });
  }
  if (schema.contains("const")) return value == schema["const"];
  if (schema.contains("enum")) {
    return std::ranges::find(schema["enum"], value) != schema["enum"].end();
  }
  const Json types = !schema.contains("type")    ? Json::array()
                     : schema["type"].is_array() ? schema["type"]
                                                 : Json::array({schema["type"]});
  const bool typed = types.empty() || std::ranges::any_of(types, [&](const Json& type) {
                       if (type == "integer") return value.is_number_integer();
                       return type == value.type_name();
                     });
  if (!typed) return false;
  if (value.is_string() && schema.contains("maxLength")) {
    return CountCharacters(value.get<std::string>()) <= schema["maxLength"].get<size_t>();
  }
  if (value.is_array()) {
    if (value.size() < schema.value("minItems", size_t{0})) return false;
    if (value.size() > schema.value("maxItems", size_t{1} << 30)) return false;
    return !schema.contains("items") || std::ranges::all_of(value, [&](const Json& item) {
      return Satisfies(item, schema["items"], root);
    });
  }
  if (value.is_object() && schema.contains("properties")) {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return false;
    }
    for (const auto& [name, member] : value.items()) {
      if (!schema["properties"].contains(name)) return false;
      if (!Satisfies(member, schema["properties"][name], root)) return false;
    }
  }
  return true;
}

constexpr const char* kSchemas[] = {
    R"({"type": "integer"})",
    R"({"type": "number"})",
    R"({"type": ["boolean", "null"]})",
    R"({"type": "string", "maxLength": 5})",
    R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4})",
    R"({"type": "array", "items": {"type": "array", "maxItems": 1}, "minItems": 1})",
    R"({"enum": ["a .b", "it 's", "[UNUSED_TOKEN_145]", 3, null, {"k": [1, "x ,"]}, "\"\\\u0007é"]})",
    R"({"const": {"deep": [true, {"x n't": -1.5}]}})",
    R"({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"},
        "c": {"type": "boolean"}}, "required": ["b"], "additionalProperties": false})",
    R"({"type": "object", "properties": {"odd key \" ?": {"type": "null"}, "": true}})",
    R"({"type": "object", "properties": {}, "additionalProperties": false})",
    R"({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "object", "properties":
        {"x": {"type": "number"}}, "required": ["x"]}, {"type": "null"}]})",
    R"({"$defs": {"point": {"type": "object", "properties": {"x": {"type": "integer"}, "y":
        {"type": "integer"}}, "required": ["x", "y"]}}, "type": "object", "properties":
        {"from": {"$ref": "#/$defs/point"}, "to": {"$ref": "#/$defs/point"}, "via":
        {"type": "array", "items": {"$ref": "#/$defs/point"}, "maxItems": 2}},
        "required": ["from", "to", "via"], "title": "way"})",
    R"(true)",
};

TEST(JsonConstraint, RandomTokensUnderTheMaskSatisfyTheSchema) {
  for (const char* text : kSchemas) {
    const Json schema = ParseJson(text, "schema");
    const auto grammar = JsonSchemaGrammar(text);
    for (uint32_t seed = 0; seed < 25; ++seed) {
      JsonConstraint constraint(grammar, Small().pieces, Small().stop_ids);
      const std::string answer = RandomAnswer(Small(), constraint, seed);
      SCOPED_TRACE(std::string(text) + "\n" + answer);
      Json value;
      ASSERT_NO_THROW(value = ParseJson(answer, "answer"));
      ASSERT_TRUE(Satisfies(value, schema, schema));
    }
  }
}

TEST(JsonConstraint, RandomTokensOfTheRealVocabularySatisfyTheSchema) {
  for (const char* text : {kSchemas[6], kSchemas[8], kSchemas[11]}) {
    const Json schema = ParseJson(text, "schema");
    for (uint32_t seed = 0; seed < 3; ++seed) {
      JsonConstraint constraint(JsonSchemaGrammar(text), Real().pieces, Real().stop_ids);
      const std::string answer = RandomAnswer(Real(), constraint, seed);
      SCOPED_TRACE(std::string(text) + "\n" + answer);
      Json value;
      ASSERT_NO_THROW(value = ParseJson(answer, "answer"));
      ASSERT_TRUE(Satisfies(value, schema, schema));
    }
  }
}

TEST(JsonConstraint, RandomTokensMakeAnObject) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
    const std::string answer = RandomAnswer(Small(), constraint, seed);
    SCOPED_TRACE(answer);
    // By the library and not ParseJson(): a key may come twice.
    Json value;
    ASSERT_NO_THROW(value = Json::parse(answer));
    ASSERT_TRUE(value.is_object());
  }
}

TEST(JsonConstraint, StopTokensAreAllowedExactlyWhereTheTextIsComplete) {
  JsonConstraint constraint(JsonSchemaGrammar(R"({"type": "integer"})"), Small().pieces,
                            Small().stop_ids);
  EXPECT_FALSE(AllowsStop(Small(), constraint));
  Write(Small(), constraint, "-");
  EXPECT_FALSE(AllowsStop(Small(), constraint));
  Write(Small(), constraint, "12");
  EXPECT_TRUE(AllowsStop(Small(), constraint));
  EXPECT_TRUE(Allows(Small(), constraint, "3"));
  constraint.Accept(Small().stop_ids[0]);
  EXPECT_EQ(Allowed(Small(), constraint).size(), Small().stop_ids.size());
}

TEST(JsonConstraint, NothingButTheEndFollowsACompleteObject) {
  JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  EXPECT_FALSE(Allows(Small(), constraint, " "));
  Write(Small(), constraint, R"({"a": [1, {}, "x\n\u00e4", -0.5e-3, true]})");
  EXPECT_TRUE(constraint.IsComplete());
  EXPECT_EQ(Allowed(Small(), constraint).size(), Small().stop_ids.size());
}

TEST(JsonConstraint, WhiteSpaceNumbersAndNestingAreBounded) {
  JsonConstraint spaces(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  Write(Small(), spaces, "{\n" + std::string(20, ' '));
  EXPECT_FALSE(Allows(Small(), spaces, " "));
  EXPECT_FALSE(Allows(Small(), spaces, "\n"));
  EXPECT_TRUE(Allows(Small(), spaces, "}"));

  JsonConstraint digits(JsonSchemaGrammar(R"({"type": "number"})"), Small().pieces,
                        Small().stop_ids);
  Write(Small(), digits, std::string(15, '9'));
  EXPECT_FALSE(Allows(Small(), digits, "9"));
  EXPECT_TRUE(Allows(Small(), digits, "."));

  JsonConstraint nested(JsonSchemaGrammar("true"), Small().pieces, Small().stop_ids);
  Write(Small(), nested, std::string(ByteGrammar::kMaxNesting - 1, '['));
  EXPECT_TRUE(Allows(Small(), nested, "["));
  Write(Small(), nested, "[");
  EXPECT_FALSE(Allows(Small(), nested, "1"));  // would be one deeper
  EXPECT_TRUE(Allows(Small(), nested, "]"));
}

TEST(JsonConstraint, BytesOfAStringAreUtf8) {
  JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  Write(Small(), constraint, "{\"");
  for (const char* bad : {"\x80", "\xC0", "\xC1", "\xF5", "\xFF", "\n", "\x1f"}) {
    EXPECT_FALSE(Allows(Small(), constraint, bad)) << static_cast<int>(*bad);
  }
  Write(Small(), constraint, "\xE0");
  EXPECT_FALSE(Allows(Small(), constraint, "\x80"));  // not the shortest form
  EXPECT_FALSE(Allows(Small(), constraint, "\""));
  Write(Small(), constraint, "\xA0\x80\xED");
  EXPECT_FALSE(Allows(Small(), constraint, "\xA0"));  // a surrogate
  Write(Small(), constraint, "\x9F\xBF\\ud");
  EXPECT_FALSE(Allows(Small(), constraint, "8"));  // half a pair
  EXPECT_TRUE(Allows(Small(), constraint, "7"));
}

TEST(JsonConstraint, TheMarkerOfTheEndCannotBeSpelledOut) {
  JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  Write(Small(), constraint, "{\"[[UNUSED_TOKEN_145");
  EXPECT_FALSE(Allows(Small(), constraint, "]"));
  EXPECT_TRUE(Allows(Small(), constraint, "6"));
  Write(Small(), constraint, "6]");
}

TEST(JsonConstraint, ControlPiecesAreNoText) {
  const auto id = SmallTokenizer().FindPiece("[UNUSED_TOKEN_146]");
  ASSERT_TRUE(id);
  JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  Write(Small(), constraint, "{\"");
  const auto allowed = Allowed(Small(), constraint);
  EXPECT_EQ(std::ranges::find(allowed, *id), allowed.end());
}

TEST(JsonConstraint, ManyStatesAreForgottenWithoutEffect) {
  const auto grammar = JsonSchemaGrammar(R"({"type": "string", "maxLength": 20000})");
  JsonConstraint constraint(grammar, Small().pieces, Small().stop_ids);
  std::string text = "\"";
  for (int i = 0; i < 20000; ++i) text += "x";
  // Accept() alone: a mask at every step would take long.
  const auto [begin, end] = Small().pieces->Find("x");
  const auto [open, open_end] = Small().pieces->Find("\"");
  constraint.Accept(Small().pieces->Ids(open, open + 1).front());
  for (int i = 0; i < 20000; ++i) constraint.Accept(Small().pieces->Ids(begin, begin + 1).front());
  EXPECT_FALSE(Allows(Small(), constraint, "x"));
  EXPECT_TRUE(Allows(Small(), constraint, "\""));
  static_cast<void>(end);
  static_cast<void>(open_end);
}

TEST(JsonConstraint, ATokenThatWasNotAllowedIsAnError) {
  JsonConstraint constraint(JsonObjectGrammar(), Small().pieces, Small().stop_ids);
  const auto [begin, end] = Small().pieces->Find("x");
  EXPECT_THROW(constraint.Accept(Small().pieces->Ids(begin, begin + 1).front()), Error);
  static_cast<void>(end);
}

TEST(JsonGrammar, WhatIsNotSupportedIsNamed) {
  const struct {
    const char* schema;
    const char* error;
  } cases[] = {
      {R"({"type": "string", "pattern": "a+"})", "schema: the keyword 'pattern' is not supported"},
      {R"({"type": "string", "minLength": 2})", "'minLength' is not supported"},
      {R"({"type": "integer", "minimum": 2})", "'minimum' is not supported"},
      {R"({"type": "object", "properties": {"a": {"type": "string", "format": "date"}}})",
       "schema.properties.a: the keyword 'format' is not supported"},
      {R"({"oneOf": [{"type": "null"}]})", "'oneOf' is not supported"},
      {R"({"anyOf": []})", "anyOf is a list of schemas"},
      {R"({"anyOf": [{"type": "null"}], "type": "null"})", "'type' is not supported here"},
      {R"({"enum": []})", "enum is a list of values"},
      {R"({"enum": ["a"], "type": "integer"})", "is not of the type"},
      {R"({"type": "date"})", "type names one of"},
      {R"({"type": []})", "type names nothing"},
      {R"({"type": "object", "required": ["a"]})", "'a' is required and not one of the properties"},
      {R"({"type": "object", "additionalProperties": {"type": "null"}})",
       "additionalProperties is supported as true or false only"},
      {R"({"type": "array", "minItems": 3, "maxItems": 2})", "maxItems is less than minItems"},
      {R"({"type": "array", "maxItems": -1})", "maxItems"},
      {R"({"$ref": "#/$defs/a"})", "there is no '#/$defs/a'"},
      {R"({"$ref": "http://x/y"})", "there is no"},
      {R"({"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"})",
       "refers to itself"},
      {R"([])", "a schema is an object"},
      {R"(false)", "a schema is an object"},
  };
  for (const auto& c : cases) {
    EXPECT_PRED2(Contains, ErrorOf([&] { JsonSchemaGrammar(c.schema); }), c.error) << c.schema;
  }
}

TEST(JsonGrammar, SchemasThatGrowWithoutBoundAreRefused) {
  // Each definition uses the one before twice: compiled once each, this stays small.
  std::string defs = R"("d0": {"type": "null"})";
  for (int i = 1; i < 15; ++i) {
    defs += fmt::format(
        R"(, "d{}": {{"type": "object", "properties": {{"a": {{"$ref": "#/$defs/d{}"}}, )"
        R"("b": {{"$ref": "#/$defs/d{}"}}}}}})",
        i, i - 1, i - 1);
  }
  const std::string shared = fmt::format(R"({{"$defs": {{{}}}, "$ref": "#/$defs/d14"}})", defs);
  EXPECT_LT(JsonSchemaGrammar(shared)->code().size(), 10'000u);

  std::string deep = R"({"type": "null"})";
  for (int i = 0; i < 20; ++i) deep = R"({"type": "array", "items": )" + deep + "}";
  EXPECT_LT(JsonSchemaGrammar(deep)->code().size(), 5'000u);

  std::string large = R"({"enum": [)";
  for (int i = 0; i < 3000; ++i) large += fmt::format(R"("{}",)", std::string(100, 'x'));
  large += "0]}";
  EXPECT_PRED2(Contains, ErrorOf([&] { JsonSchemaGrammar(large); }), "the schema is too large");
}

}  // namespace
}  // namespace ixc
