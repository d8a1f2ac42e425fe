// Prompt strings and sequences of the reference, with the real tokenizer.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "text/chat_template.h"

namespace ixc {
namespace {

using Ids = std::vector<int32_t>;

class ChatTemplateGoldenTest : public testing::Test {
 protected:
  static ChatPrompt ReadChat(const Json& item) {
    ChatPrompt chat;
    chat.query = item["query"];
    chat.history = item["history"].get<ChatHistory>();
    chat.system = item["meta_instruction"];
    chat.num_images = item["images"];
    chat.image_marks = ImageMarks::kLoose;
    chat.allow_control_tokens = true;
    return chat;
  }

  const Tokenizer tokenizer_ = Tokenizer::Load(IXC_TEST_DATA "/tokenizer");
  const Json cases_ = ReadJsonFile(IXC_TEST_DATA "/prompts/prompts.json")["cases"];
};

std::vector<std::string> NonEmptyParts(std::string_view prompt) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= prompt.size();) {
    const size_t end = std::min(prompt.find(kImageMark, begin), prompt.size());
    if (end > begin) parts.emplace_back(prompt.substr(begin, end - begin));
    begin = end + kImageMark.size();
  }
  return parts;
}

void ExpectSegments(const PromptSequence& sequence, const Json& expected) {
  ASSERT_EQ(sequence.segments.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const PromptSegment& segment = sequence.segments[i];
    ASSERT_EQ(segment.is_image(), expected[i].contains("image"));
    if (segment.is_image()) {
      EXPECT_EQ(segment.image, expected[i]["image"].get<int>());
    } else {
      EXPECT_EQ(segment.ids, expected[i]["ids"].get<Ids>());
    }
  }
}

TEST_F(ChatTemplateGoldenTest, Sequences) {
  ASSERT_FALSE(cases_.empty());
  for (const Json& item : cases_) {
    SCOPED_TRACE(item["query"].get<std::string>());
    const PromptSequence sequence = BuildPrompt(tokenizer_, ReadChat(item));
    if (item["route"] == "text") {
      EXPECT_EQ(sequence.prompt, item["prompt"].get<std::string>());
      ASSERT_EQ(sequence.segments.size(), 1u);
      EXPECT_EQ(sequence.segments[0].ids, item["input_ids"].get<Ids>());
    } else {
      EXPECT_EQ(NonEmptyParts(sequence.prompt), item["parts"].get<std::vector<std::string>>());
      ExpectSegments(sequence, item["segments"]);
    }
  }
}

// Typed text without control strings: the same sequence.
TEST_F(ChatTemplateGoldenTest, ControlTokensBlocked) {
  for (const Json& item : cases_) {
    ChatPrompt chat = ReadChat(item);
    if (chat.query.find("</s>") != chat.query.npos) continue;
    const PromptSequence raw = BuildPrompt(tokenizer_, chat);
    chat.allow_control_tokens = false;
    const PromptSequence typed = BuildPrompt(tokenizer_, chat);
    ASSERT_EQ(typed.segments.size(), raw.segments.size());
    for (size_t i = 0; i < raw.segments.size(); ++i) {
      EXPECT_EQ(typed.segments[i].ids, raw.segments[i].ids) << chat.query;
    }
  }
}

// 4KHD raises an error where the number of marks is not that of the pictures.
TEST_F(ChatTemplateGoldenTest, StrictMarks) {
  int rejected = 0;
  for (const Json& item : cases_) {
    ChatPrompt chat = ReadChat(item);
    chat.image_marks = ImageMarks::kStrict;
    if (item.contains("error_4khd")) {
      EXPECT_THROW(BuildPrompt(tokenizer_, chat), Error) << chat.query;
      ++rejected;
    } else {
      EXPECT_NO_THROW(BuildPrompt(tokenizer_, chat)) << chat.query;
    }
  }
  EXPECT_GT(rejected, 0);
}

TEST_F(ChatTemplateGoldenTest, DefaultSystem) {
  const Json& item = cases_[0];
  EXPECT_EQ(kDefaultSystem, item["meta_instruction"].get<std::string>());
  EXPECT_EQ(kDefaultSystem.size(), 564u);
}

}  // namespace
}  // namespace ixc
