#include <gtest/gtest.h>

#include "base/json.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

std::string ParseError(const std::string& text, const JsonLimits& limits = {}) {
  return ErrorOf([&] { ParseJson(text, "f.json", limits); });
}

TEST(Json, ParsesEveryKindInOrder) {
  const Json value = ParseJson(R"({"b": [1, -2, 2.5, true, null, "x"], "a": {"c": {}}})", "f");
  EXPECT_EQ(value.dump(), R"({"b":[1,-2,2.5,true,null,"x"],"a":{"c":{}}})");
  EXPECT_EQ(ParseJson("7", "f"), 7);
}

TEST(Json, RejectsMalformedText) {
  const struct {
    const char* text;
    const char* reason;
  } cases[] = {
      {"", "f.json: not valid JSON at byte 1"},
      {"{\"a\": 1", "f.json: not valid JSON at byte 8"},
      {"{} x", "not valid JSON at byte 4"},
      {"[1, 2,]", "not valid JSON at byte 7"},
      {"{\"a\": NaN}", "not valid JSON"},
      {"[1e999]", "not valid JSON"},
      {"\"\xff\"", "not valid JSON"},
      {"{'a': 1}", "not valid JSON"},
      {"{\"a\": 1, \"b\": {\"a\": 2}, \"a\": 3}", "f.json: key 'a' appears twice"},
  };
  for (const auto& c : cases) EXPECT_PRED2(Contains, ParseError(c.text), c.reason) << c.text;
}

TEST(Json, KeepsLimits) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(ParseError(nested(64)), "no error");
  EXPECT_EQ(ParseError(nested(65)), "f.json: JSON nested deeper than 64 levels");
  EXPECT_PRED2(Contains, ParseError(std::string(5'000'000, '[')), "deeper than 64");
  EXPECT_EQ(ParseError("[1,2,3]", {.max_values = 4}), "no error");
  EXPECT_EQ(ParseError("[1,2,3]", {.max_values = 3}), "f.json: more than 3 JSON values");
  EXPECT_EQ(ParseError("[1,2]", {.max_bytes = 4}), "f.json: 5 bytes of JSON, at most 4 are read");
}

TEST(Json, LooksAtTheLengthOfStringsFirst) {
  const std::string longest(kMaxTextBytes, 'x');
  EXPECT_EQ(ParseError("[\"" + longest + "\"]"), "no error");
  const std::string error = "f.json: a string of more than 4194304 bytes at byte 2";
  EXPECT_EQ(ParseError("[\"" + longest + "x\"]"), error);
  EXPECT_EQ(ParseError("[\"" + longest + "x"), error);
  EXPECT_EQ(ParseError("[\"\\\"" + longest), error);  // an escaped quote ends nothing
  EXPECT_EQ(ParseError("[\"a\", \"\\\\\", \"b\"]"), "no error");
}

TEST(Json, ReadsFiles) {
  const TempDir dir;
  EXPECT_EQ(ReadJsonFile(dir.Write("a.json", "[1]")).dump(), "[1]");
  const auto bad = dir.Write("b.json", "[1");
  EXPECT_PRED2(Contains, ErrorOf([&] { ReadJsonFile(bad); }), bad.string() + ": not valid JSON");
}

TEST(JsonFields, ReadsTypedFields) {
  const Json value =
      ParseJson(R"({"i": 3, "n": 2, "b": true, "s": "x", "z": null, "o": {"k": -1}})", "f");
  const JsonFields fields(value, "f");
  EXPECT_EQ(fields.Integer("i", kPositive), 3);
  EXPECT_EQ(fields.Number("n", {0, 10}), 2.0);
  EXPECT_TRUE(fields.Bool("b"));
  EXPECT_EQ(fields.String("s"), "x");
  EXPECT_FALSE(fields.Has("z"));
  EXPECT_EQ(fields.IntegerOr("z", 5, kPositive), 5);
  EXPECT_EQ(fields.StringOr("none", "y"), "y");
  EXPECT_EQ(fields.Object("o").Integer("k", {-1, 1}), -1);
}

TEST(JsonFields, ErrorsNameFileFieldWantedAndFound) {
  const Json value = ParseJson(
      R"({"s": "x", "i": 3, "f": 1.5, "a": [], "big": 18446744073709551615, "o": {"k": 9}})", "f");
  const JsonFields fields(value, "c.json");
  const auto integer = [&](const char* key, Range<int64_t> range) {
    return ErrorOf([&] { fields.Integer(key, range); });
  };
  EXPECT_EQ(integer("s", kPositive), "c.json: field 's' wanted a positive integer, found \"x\"");
  EXPECT_EQ(integer("none", kPositive),
            "c.json: field 'none' wanted a positive integer, found nothing");
  EXPECT_EQ(integer("i", {4, 9}), "c.json: field 'i' wanted an integer in 4..9, found 3");
  EXPECT_PRED2(Contains, integer("f", kPositive), "found 1.5");
  EXPECT_PRED2(Contains, integer("a", kPositive), "found an array");
  EXPECT_PRED2(Contains, integer("big", kPositive), "found 18446744073709551615");
  EXPECT_EQ(ErrorOf([&] {
              fields.Number("i", {0, 1});
            }),
            "c.json: field 'i' wanted a number in 0..1, found 3");
  EXPECT_EQ(ErrorOf([&] { fields.Object("o").Bool("k"); }),
            "c.json: field 'o.k' wanted true or false, found 9");
  EXPECT_EQ(ErrorOf([&] { JsonFields(value.at("a"), "c.json"); }),
            "c.json: wanted a JSON object, found an array");
}

TEST(JsonFields, LongValuesAreCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "\u4e2d";
  const Json value = ParseJson("{\"a\": \"" + text + "\"}", "f");
  const std::string message = ErrorOf([&] { JsonFields(value, "f").Bool("a"); });
  EXPECT_LT(message.size(), 120u);
  EXPECT_NO_THROW(Json(message).dump());  // still UTF-8
}

}  // namespace
}  // namespace ixc
