#include <gtest/gtest.h>

#include "base/json.h"
#include "server/api_error.h"
#include "server/openai_request.h"

namespace ixc {
namespace {

RequestLimits Limits() {
  RequestLimits limits;
  limits.vocabulary = 1000;
  limits.max_pictures = 3;
  return limits;
}

// A chat request with these fields beside the model and, unless it is among them, a question.
std::string Chat(const std::string& fields) {
  std::string body = R"({"model": "m")";
  if (fields.find("\"messages\"") == fields.npos) {
    body += R"(, "messages": [{"role": "user", "content": "Hi"}])";
  }
  return body + (fields.empty() ? "" : ", " + fields) + "}";
}

CompletionRequest ParseChat(const std::string& fields) {
  return ParseChatRequest(Chat(fields), Limits());
}

ApiError ChatError(const std::string& fields) {
  try {
    ParseChat(fields);
  } catch (const ApiError& error) {
    return error;
  }
  return ApiError(0, "", "", "no error");
}

std::string Messages(const std::string& list) { return "\"messages\": [" + list + "]"; }

TEST(OpenaiRequest, DefaultsAreThoseOfDescribe) {
  const CompletionRequest request = ParseChat("");
  const GenerationOptions& generation = request.service.request.generation;
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.service.request.query, "Hi");
  EXPECT_FALSE(request.service.request.system);
  EXPECT_FALSE(request.stream);
  EXPECT_EQ(request.choices, 1);
  EXPECT_FALSE(generation.sample);
  EXPECT_EQ(generation.max_new_tokens, 1024);
  EXPECT_TRUE(request.service.shorten_to_context);
  EXPECT_FLOAT_EQ(generation.repetition_penalty, 1.005f);
  EXPECT_EQ(request.service.top_logprobs, -1);
  EXPECT_EQ(request.grammar, nullptr);
  EXPECT_FALSE(request.service.request.allow_control_tokens);
}

TEST(OpenaiRequest, EveryFieldArrives) {
  const CompletionRequest request = ParseChat(
      R"("stream": true, "stream_options": {"include_usage": true}, "max_tokens": 7,
         "temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": -3, "stop": ["a", "b"], "n": 2,
         "logprobs": true, "top_logprobs": 4, "logit_bias": {"12": -100, "13": 1.5},
         "presence_penalty": 1, "frequency_penalty": -1, "repetition_penalty": 1.2,
         "response_format": {"type": "json_object"}, "user": "u", "metadata": {"k": "v"},
         "store": false, "service_tier": "auto", "parallel_tool_calls": true)");
  const ServiceRequest& service = request.service;
  const GenerationOptions& generation = service.request.generation;
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_EQ(generation.max_new_tokens, 7);
  EXPECT_FALSE(service.shorten_to_context);
  EXPECT_TRUE(generation.sample);
  EXPECT_FLOAT_EQ(generation.temperature, 0.5f);
  EXPECT_FLOAT_EQ(generation.top_p, 0.9f);
  EXPECT_EQ(generation.top_k, 5);
  EXPECT_TRUE(request.has_seed);
  EXPECT_EQ(generation.seed, static_cast<uint64_t>(-3));
  EXPECT_EQ(service.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.choices, 2);
  EXPECT_EQ(service.top_logprobs, 4);
  EXPECT_EQ(service.logit_bias, (std::map<int32_t, float>{{12, -100.0f}, {13, 1.5f}}));
  EXPECT_FLOAT_EQ(service.presence_penalty, 1);
  EXPECT_FLOAT_EQ(service.frequency_penalty, -1);
  EXPECT_FLOAT_EQ(generation.repetition_penalty, 1.2f);
  EXPECT_NE(request.grammar, nullptr);
}

TEST(OpenaiRequest, TemperatureZeroIsGreedy) {
  EXPECT_FALSE(ParseChat(R"("temperature": 0, "top_p": 0.5)").service.request.generation.sample);
  EXPECT_TRUE(ParseChat(R"("top_p": 0.5)").service.request.generation.sample);
  EXPECT_EQ(ParseChat(R"("top_k": -1)").service.request.generation.top_k, 0);
  EXPECT_GT(ParseChat(R"("top_p": 0)").service.request.generation.top_p, 0);
}

TEST(OpenaiRequest, NullCountsAsAbsent) {
  const CompletionRequest request = ParseChat(
      R"("temperature": null, "stop": null, "response_format": null, "logit_bias": null)");
  EXPECT_FALSE(request.service.request.generation.sample);
}

TEST(OpenaiRequest, WrongFieldsAreNamed) {
  const struct {
    const char* fields;
    const char* param;
    const char* code = "invalid_value";
  } cases[] = {
      {R"("temprature": 1)", "temprature", "unsupported_field"},
      {R"("tools": [])", "tools", "unsupported_field"},
      {R"("temperature": 2.1)", "temperature"},
      {R"("temperature": "1")", "temperature"},
      {R"("temperature": -0.1)", "temperature"},
      {R"("top_p": 1.01)", "top_p"},
      {R"("top_k": -2)", "top_k"},
      {R"("max_tokens": 0)", "max_tokens"},
      {R"("max_tokens": 1.5)", "max_tokens"},
      {R"("max_tokens": 99999999)", "max_tokens"},
      {R"("max_tokens": 1, "max_completion_tokens": 1)", "max_tokens"},
      {R"("max_completion_tokens": -1)", "max_completion_tokens"},
      {R"("n": 0)", "n"},
      {R"("n": 9)", "n"},
      {R"("seed": 1.5)", "seed"},
      {R"("seed": 18446744073709551615)", "seed"},
      {R"("stop": 1)", "stop"},
      {R"("stop": "")", "stop"},
      {R"("stop": ["a", "b", "c", "d", "e"])", "stop"},
      {R"("stop": ["a", 1])", "stop"},
      {R"("stream": 1)", "stream"},
      {R"("stream_options": {})", "stream_options"},
      {R"("stream": true, "stream_options": {"x": 1})", "stream_options.x", "unsupported_field"},
      {R"("logprobs": 3)", "logprobs"},
      {R"("top_logprobs": 3)", "top_logprobs"},
      {R"("logprobs": true, "top_logprobs": 21)", "top_logprobs"},
      {R"("logit_bias": [])", "logit_bias"},
      {R"("logit_bias": {"x": 1})", "logit_bias"},
      {R"("logit_bias": {"1000": 1})", "logit_bias"},
      {R"("logit_bias": {"-1": 1})", "logit_bias"},
      {R"("logit_bias": {"1 ": 1})", "logit_bias"},
      {R"("logit_bias": {"1": 101})", "logit_bias.1"},
      {R"("presence_penalty": 2.5)", "presence_penalty"},
      {R"("frequency_penalty": -2.5)", "frequency_penalty"},
      {R"("repetition_penalty": 0)", "repetition_penalty"},
      {R"("hd_num": 0)", "hd_num"},
      {R"("hd_num": [1])", "hd_num"},
      {R"("hd_num": "9")", "hd_num"},
      {R"("modalities": ["text", "audio"])", "modalities", "unsupported_field"},
      {R"("response_format": "json")", "response_format"},
      {R"("response_format": {"type": "xml"})", "response_format.type"},
      {R"("response_format": {"type": "json_schema"})", "response_format.json_schema"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"name": "x"}})",
       "response_format.json_schema.schema"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}})",
       "response_format.json_schema.schema"},
      {R"("model": "again")", "", "invalid_json"},
      {R"("user": "\ud800")", "", "invalid_json"},
  };
  for (const auto& c : cases) {
    const ApiError error = ChatError(c.fields);
    EXPECT_EQ(error.status(), 400) << c.fields;
    EXPECT_EQ(error.param(), c.param) << c.fields << ": " << error.what();
    EXPECT_EQ(error.code(), c.code) << c.fields << ": " << error.what();
  }
}

TEST(OpenaiRequest, BodiesThatAreNoRequestAreRefused) {
  for (const char* body : {"", "[]", "null", "7", "{", R"({"messages": []})", R"({"model": "m"})",
                           R"({"model": 3, "messages": [{"role": "user", "content": ""}]})"}) {
    EXPECT_THROW(ParseChatRequest(body, Limits()), ApiError) << body;
    EXPECT_THROW(ParseTextRequest(body, Limits()), ApiError) << body;
  }
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(ChatError("\"metadata\": " + deep).code(), "invalid_json");
}

TEST(OpenaiRequest, MessagesBecomeAConversation) {
  const Request request = ParseChat(Messages(R"(
      {"role": "system", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url",
       "image_url": {"url": "data:1", "detail": "low"}}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": [{"type": "text", "text": "answer"}]},
      {"role": "user", "content": [{"type": "image_url", "image_url": "data:2"}]})"))
                              .service.request;
  EXPECT_EQ(request.system, "Be brief.");
  ASSERT_EQ(request.history.size(), 1u);
  EXPECT_EQ(request.history[0].first, "a<ImageHere>b");
  EXPECT_EQ(request.history[0].second, "answer");
  EXPECT_EQ(request.query, "<ImageHere>");
  EXPECT_EQ(request.image_marks, ImageMarks::kStrict);
}

TEST(OpenaiRequest, HdNumbersAreForAllPicturesOrOneEach) {
  const std::string two = Messages(R"({"role": "user", "content": [
      {"type": "image_url", "image_url": {"url": "data:1"}},
      {"type": "image_url", "image_url": {"url": "data:2"}}]})");
  EXPECT_EQ(ParseChat(two + R"(, "hd_num": 9)").service.request.hd_num, (std::vector<int>{9}));
  EXPECT_EQ(ParseChat(two + R"(, "hd_num": [9, 4])").service.request.hd_num,
            (std::vector<int>{9, 4}));
  EXPECT_EQ(ChatError(two + R"(, "hd_num": [9, 4, 1])").param(), "hd_num");
}

TEST(OpenaiRequest, ConversationsOutOfOrderAreRefused) {
  const struct {
    const char* messages;
    const char* param;
  } cases[] = {
      {R"({"role": "system", "content": "x"})", "messages"},
      {R"({"role": "assistant", "content": "x"})", "messages[0]"},
      {R"({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"})", "messages"},
      {R"({"role": "user", "content": "x"}, {"role": "user", "content": "y"})", "messages[1]"},
      {R"({"role": "user", "content": "x"}, {"role": "system", "content": "y"})", "messages[1]"},
      {R"({"role": "tool", "content": "x"})", "messages[0].role"},
      {R"({"role": "user"})", "messages[0].content"},
      {R"({"role": "user", "content": 3})", "messages[0].content"},
      {R"({"role": "user", "content": "x", "weight": 1})", "messages[0].weight"},
      {R"({"role": "user", "content": [{"type": "audio"}]})", "messages[0].content[0].type"},
      {R"({"role": "user", "content": [{"type": "text", "text": "x", "y": 1}]})",
       "messages[0].content[0].y"},
      {R"({"role": "user", "content": [{"type": "image_url"}]})",
       "messages[0].content[0].image_url"},
      {R"({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]})",
       "messages[0].content[0].image_url.url"},
      {R"({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "d"}}]})",
       "messages[0].content[0].type"},
      {R"("Hi")", "messages[0]"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ChatError(Messages(c.messages)).param(), c.param) << c.messages;
  }
}

TEST(OpenaiRequest, APictureMarkInTextIsTextOrRefused) {
  const CompletionRequest plain =
      ParseChat(Messages(R"({"role": "user", "content": "What is <ImageHere>?"})"));
  EXPECT_EQ(plain.service.request.image_marks, ImageMarks::kLoose);
  EXPECT_EQ(plain.service.request.query, "What is <ImageHere>?");

  const std::string picture = R"({"type": "image_url", "image_url": {"url": "data:1"}})";
  const auto with = [&](const std::string& parts) {
    return Messages(R"({"role": "user", "content": [)" + parts + "]}");
  };
  EXPECT_EQ(ChatError(with(picture + R"(, {"type": "text", "text": "<ImageHere>"})")).code(),
            "picture_mark_in_text");
  // Two parts that make a mark together.
  EXPECT_EQ(
      ChatError(with(R"({"type": "text", "text": "<Image"}, {"type": "text", "text": "Here>"}, )" +
                     picture))
          .code(),
      "picture_mark_in_text");
  EXPECT_EQ(
      ChatError(
          Messages(
              R"({"role": "user", "content": "x"}, {"role": "assistant", "content": "<ImageHere>"},
      {"role": "user", "content": [)" +
              picture + "]}"))
          .code(),
      "picture_mark_in_text");
}

TEST(OpenaiRequest, PicturesAndMessagesAreCounted) {
  std::string pictures;
  for (int i = 0; i < 4; ++i) {
    pictures += R"({"type": "image_url", "image_url": {"url": "data:1"}},)";
  }
  pictures.pop_back();
  EXPECT_EQ(ChatError(Messages(R"({"role": "user", "content": [)" + pictures + "]}")).code(),
            "too_many_pictures");
  std::string turns;
  for (int i = 0; i < 300; ++i) {
    turns += R"({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"},)";
  }
  EXPECT_EQ(ChatError(Messages(turns + R"({"role": "user", "content": "z"})")).param(), "messages");
}

TEST(OpenaiRequest, PlainCompletions) {
  const CompletionRequest request = ParseTextRequest(
      R"({"model": "m", "prompt": ["Once upon <ImageHere>"], "logprobs": 2, "echo": false, "best_of": 1})",
      Limits());
  EXPECT_FALSE(request.chat);
  EXPECT_TRUE(request.service.plain_text);
  EXPECT_EQ(request.service.request.query, "Once upon <ImageHere>");
  EXPECT_EQ(request.service.top_logprobs, 2);
  for (const char* body :
       {R"({"model": "m", "prompt": ["a", "b"]})", R"({"model": "m", "prompt": [1, 2]})",
        R"({"model": "m", "prompt": "a", "echo": true})",
        R"({"model": "m", "prompt": "a", "suffix": "b"})",
        R"({"model": "m", "prompt": "a", "best_of": 2})",
        R"({"model": "m", "prompt": "a", "messages": []})"}) {
    EXPECT_THROW(ParseTextRequest(body, Limits()), ApiError) << body;
  }
}

}  // namespace
}  // namespace ixc
