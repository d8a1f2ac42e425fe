// What a conversation keeps must not change a bit of what comes after: every turn is compared with
// the same request answered from nothing.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "engine/pipeline.h"
#include "ixc/engine.h"
#include "support/golden.h"

namespace ixc {
namespace {

using testing::GoldenDir;

const char* const kModels[] = {"vl-a", "4khd-a"};

EngineOptions OptionsOf(const std::string& model, ComputeMode mode) {
  EngineOptions options;
  options.model_dir = (GoldenDir() / "models" / model).string();
  options.compute = mode;
  return options;
}

Engine& EngineOf(const std::string& model) {
  static std::map<std::string, Engine> loaded;
  auto found = loaded.find(model);
  if (found == loaded.end()) {
    found = loaded.emplace(model, Engine::Load(OptionsOf(model, ComputeMode::kNative))).first;
  }
  return found->second;
}

Image Picture(const std::string& name) {
  return LoadImage((GoldenDir() / "images" / name).string());
}

Request AskAbout(const std::vector<std::string>& pictures, const std::string& query) {
  Request request;
  for (const std::string& name : pictures) request.images.push_back(Picture(name));
  request.hd_num = {4};
  for (size_t i = 0; i < pictures.size(); ++i) request.query += "<ImageHere>";
  request.query += query;
  request.image_marks = ImageMarks::kStrict;
  request.generation.max_new_tokens = 12;
  return request;
}

// The next turn of the conversation in which `request` was answered by `result`.
Request NextTurn(Request request, const Result& result, const std::string& query) {
  request.history.emplace_back(request.query, result.text);
  request.query = query;
  return request;
}

// Answers in the conversation, and expects the answer of an engine that knows nothing.
Result AskTwice(Engine& engine, Conversation& conversation, const Request& request) {
  Result warm = engine.Generate(request, conversation);
  const Result cold = engine.Generate(request);
  EXPECT_EQ(warm.token_ids, cold.token_ids);
  EXPECT_EQ(warm.text, cold.text);
  EXPECT_EQ(warm.prompt_tokens, cold.prompt_tokens);
  EXPECT_EQ(cold.cached_tokens, 0);
  return warm;
}

class ConversationGolden : public ::testing::TestWithParam<const char*> {
 protected:
  Engine& engine() { return EngineOf(GetParam()); }
  Conversation conversation_;
};

TEST_P(ConversationGolden, SecondQuestionPaysOnlyForWhatIsNew) {
  const Request first = AskAbout({"text.png"}, "Please describe this image in detail.");
  const Result answer = AskTwice(engine(), conversation_, first);
  EXPECT_EQ(answer.cached_tokens, 0);
  const Request second = NextTurn(first, answer, "What color is it?");
  const Result reply = AskTwice(engine(), conversation_, second);
  // The answer's text may be cut into other tokens than those that were generated; nothing before
  // it is read again.
  EXPECT_GE(reply.cached_tokens, answer.prompt_tokens);
  EXPECT_LT(reply.cached_tokens, reply.prompt_tokens);
  const Result third =
      AskTwice(engine(), conversation_, NextTurn(second, reply, "And how many are there?"));
  EXPECT_GE(third.cached_tokens, reply.prompt_tokens);
}

TEST_P(ConversationGolden, TheSameQuestionAgainPaysForOneToken) {
  const Request request = AskAbout({"text.png"}, "What is this?");
  const Result first = AskTwice(engine(), conversation_, request);
  const Result again = AskTwice(engine(), conversation_, request);
  EXPECT_EQ(again.cached_tokens, first.prompt_tokens - 1);
}

TEST_P(ConversationGolden, AnotherPictureOfTheSameSizeIsReadAfresh) {
  Request request = AskAbout({"gradient.png"}, "What is this?");
  Image other = request.images[0];
  AskTwice(engine(), conversation_, request);
  other.rgb[other.rgb.size() / 2] ^= 1;  // one bit of one pixel
  request.images[0] = other;
  const Result changed = AskTwice(engine(), conversation_, request);
  EXPECT_GT(changed.cached_tokens, 0);  // what stands before the picture
  EXPECT_LT(changed.cached_tokens + changed.image_tokens, changed.prompt_tokens);
}

TEST_P(ConversationGolden, AnotherSystemMessageIsReadAfresh) {
  Request request = AskAbout({"text.png"}, "What is this?");
  AskTwice(engine(), conversation_, request);
  request.system = "Answer in one word.";
  const Result changed = AskTwice(engine(), conversation_, request);
  EXPECT_LT(changed.cached_tokens, 8);  // the mark of the system turn
}

// Checking several guessed tokens at a time changes neither an answer nor what is kept of it.
TEST_P(ConversationGolden, SpeculationChangesNoToken) {
  for (const bool sample : {false, true}) {
    Request plain = AskAbout({"text.png"}, "one two three one two three one two");
    plain.generation.max_new_tokens = 80;
    plain.generation.repetition_penalty = 1.0f;
    plain.generation.sample = sample;
    plain.generation.temperature = 0.05f;
    Request ahead = plain;
    ahead.generation.speculate = true;
    Conversation conversation;
    const Result slow = engine().Generate(plain);
    const Result fast = engine().Generate(ahead, conversation);
    EXPECT_EQ(fast.token_ids, slow.token_ids);
    EXPECT_EQ(fast.text, slow.text);
    EXPECT_EQ(fast.finish_reason, slow.finish_reason);
    EXPECT_EQ(slow.guessed_tokens, 0);
    EXPECT_GT(fast.guessed_tokens, 0);
    EXPECT_LE(fast.accepted_tokens, fast.guessed_tokens);
    // These small models repeat themselves.
    EXPECT_TRUE(sample || fast.accepted_tokens > 0);
    AskTwice(engine(), conversation, NextTurn(ahead, fast, "And what else?"));
  }
}

TEST_P(ConversationGolden, AStoppedAnswerLeavesNothingWrongBehind) {
  const Request first = AskAbout({"text.png"}, "What is this?");
  GenerationEvents events;
  int num_pieces = 0;
  int num_polls = 0;
  events.on_text = [&](std::string_view) { ++num_pieces; };
  events.is_cancelled = [&] { return num_pieces > 0 && ++num_polls > 3; };
  const Result stopped = engine().Generate(first, conversation_, events);
  EXPECT_EQ(stopped.finish_reason, FinishReason::kCancelled);
  const Result reply =
      AskTwice(engine(), conversation_, NextTurn(first, stopped, "What color is it?"));
  EXPECT_GE(reply.cached_tokens, stopped.prompt_tokens);
}

TEST_P(ConversationGolden, AStoppedReadingLeavesNothingWrongBehind) {
  const Request request = AskAbout({"text.png", "gradient.png"}, "What differs?");
  // Once, at every possible moment before the first token; a callback need not say it twice.
  for (int moment = 1; moment <= 4; ++moment) {
    int num_polls = 0;
    GenerationEvents events;
    events.is_cancelled = [&] { return ++num_polls == moment; };
    const Result stopped = engine().Generate(request, conversation_, events);
    EXPECT_EQ(stopped.finish_reason, FinishReason::kCancelled) << moment;
    EXPECT_TRUE(stopped.text.empty()) << moment;
  }
  AskTwice(engine(), conversation_, request);
}

TEST_P(ConversationGolden, PicturesOfDifferentSizesEachWithTheirOwnHdNumber) {
  Request first = AskAbout({"text.png", "strip_h.png"}, "What differs?");
  first.hd_num = {4, 9};
  const Result answer = AskTwice(engine(), conversation_, first);
  Request second = NextTurn(first, answer, "<ImageHere>And this one?");
  second.images.push_back(Picture("gradient.png"));
  second.hd_num = {4, 9, 2};
  const Result reply = AskTwice(engine(), conversation_, second);
  EXPECT_GE(reply.cached_tokens, answer.prompt_tokens);
  int64_t alone = 0;
  for (size_t i = 0; i < second.images.size(); ++i) {
    Request one = AskAbout({}, "<ImageHere>What is this?");
    one.images = {second.images[i]};
    one.hd_num = {second.hd_num[i]};
    alone += engine().Generate(one).image_tokens;
  }
  EXPECT_EQ(reply.image_tokens, alone);
}

TEST_P(ConversationGolden, BeamsMayFollowAndPrecedeGreedyTurns) {
  Request first = AskAbout({"text.png"}, "What is this?");
  first.generation.num_beams = 3;
  const Result answer = AskTwice(engine(), conversation_, first);
  Request second = NextTurn(first, answer, "What color is it?");
  second.generation.num_beams = 1;
  const Result reply = AskTwice(engine(), conversation_, second);
  EXPECT_GE(reply.cached_tokens, answer.prompt_tokens - 1);
  second.generation.num_beams = 3;
  AskTwice(engine(), conversation_, second);
}

INSTANTIATE_TEST_SUITE_P(
    Models, ConversationGolden, ::testing::ValuesIn(kModels), [](const auto& test) {
      return std::string(test.param).substr(0, std::string(test.param).find('-'));
    });

TEST(ConversationGolden4khd, AnotherHdNumberIsAnotherPicture) {
  Engine& engine = EngineOf("4khd-a");
  Conversation conversation;
  Request request = AskAbout({"gradient.png"}, "What is this?");
  AskTwice(engine, conversation, request);
  request.hd_num = {9};
  const Result changed = AskTwice(engine, conversation, request);
  EXPECT_LT(changed.cached_tokens + changed.image_tokens, changed.prompt_tokens);
}

// The text could hide a difference; logits cannot.
TEST(PrefixReuse, LogitsAreTheSameToTheBitWhereverThePrefixEnds) {
  for (const char* model : kModels) {
    for (const ComputeMode mode : {ComputeMode::kNative, ComputeMode::kFloat32}) {
      const auto pipeline = Pipeline::Load(OptionsOf(model, mode));
      const Request request = AskAbout({"text.png"}, "Please describe this image in detail.");
      const PromptSequence prompt = pipeline->BuildPrompt(request);
      std::vector<EncodedPicture> pictures;
      pictures.push_back(pipeline->EncodePicture(request.images[0], HdNumOf(request, 0), nullptr));
      AssembledPrompt assembled = pipeline->Assemble(prompt, pictures);
      Sequence sequence = pipeline->NewSequence();
      const Matrix cold = pipeline->Logits(pipeline->Prefill(assembled, sequence, {}));
      const int64_t total = assembled.num_tokens();
      const RowRange image = assembled.image_rows[0];
      for (const int64_t prefix : {total - 1, total - 2, total - 9, image.end, image.end - 3,
                                   image.begin + 1, image.begin, int64_t{1}}) {
        ASSERT_TRUE(sequence.CanBecome(total));
        sequence.Truncate(prefix);
        pipeline->Embed(prompt, pictures, prefix, assembled);
        const Matrix warm = pipeline->Logits(pipeline->Prefill(assembled, sequence, {}));
        EXPECT_EQ(std::memcmp(warm.data(), cold.data(), sizeof(float) * cold.cols()), 0)
            << model << ", " << prefix << " of " << total << " positions kept";
      }
    }
  }
}

}  // namespace
}  // namespace ixc
