#include "text/chat_template.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace ixc {
namespace {

// A prompt as it grows, with the ranges that somebody typed.
struct PromptText {
  std::string text;
  std::vector<TextRange> typed;

  void AddTemplate(std::string_view added) { text += added; }
  void AddTyped(std::string_view added) {
    if (!added.empty()) typed.push_back({text.size(), text.size() + added.size()});
    text += added;
  }
  void AddTurn(std::string_view role, std::string_view content) {
    OpenTurn(role);
    AddTyped(content);
    AddTemplate(kTurnEnd);
    AddTemplate("\n");
  }
  void OpenTurn(std::string_view role) {
    AddTemplate(kTurnBegin);
    AddTemplate(role);
    AddTemplate("\n");
  }
};

PromptText WritePrompt(const ChatPrompt& chat, std::string_view query) {
  PromptText prompt;
  if (chat.num_images == 0) prompt.AddTemplate("<s>");
  const std::string_view system = chat.system ? std::string_view(*chat.system) : kDefaultSystem;
  if (!system.empty()) prompt.AddTurn("system", system);
  for (const auto& [asked, answered] : chat.history) {
    prompt.AddTurn("user", asked);
    prompt.AddTurn("assistant", answered);
  }
  prompt.AddTurn("user", query);
  prompt.OpenTurn("assistant");
  if (chat.allow_control_tokens) prompt.typed.clear();
  return prompt;
}

// The parts between the marks.
std::vector<TextRange> SplitAtMarks(std::string_view text) {
  std::vector<TextRange> parts;
  size_t begin = 0;
  for (size_t at; (at = text.find(kImageMark, begin)) != text.npos;
       begin = at + kImageMark.size()) {
    parts.push_back({begin, at});
  }
  parts.push_back({begin, text.size()});
  return parts;
}

// The typed ranges that reach into a part, as offsets in it.
std::vector<TextRange> Clip(std::span<const TextRange> typed, TextRange part) {
  std::vector<TextRange> clipped;
  for (const TextRange& range : typed) {
    const size_t begin = std::max(range.begin, part.begin);
    const size_t end = std::min(range.end, part.end);
    if (begin < end) clipped.push_back({begin - part.begin, end - part.begin});
  }
  return clipped;
}

void AppendIds(std::vector<PromptSegment>& segments, std::span<const int32_t> ids) {
  if (segments.empty() || segments.back().is_image()) segments.emplace_back();
  segments.back().ids.insert(segments.back().ids.end(), ids.begin(), ids.end());
}

void CheckMarks(size_t num_marks, int num_images) {
  if (num_marks == static_cast<size_t>(num_images)) return;
  Fail("the prompt has {} {} for {} {}; write one {} for each picture", num_marks,
       num_marks == 1 ? "picture mark" : "picture marks", num_images,
       num_images == 1 ? "picture" : "pictures", kImageMark);
}

}  // namespace

// 564 bytes, no newline at the end; SHA-256
// 3327ad83486c9dbcec852b83c0b4110aa5704909edbe00af79ade5a0db432599
const std::string_view kDefaultSystem =
    "You are an AI assistant whose name is InternLM-XComposer (浦语·灵笔).\n"
    "- InternLM-XComposer (浦语·灵笔) is a multi-modality conversational language model that is "
    "developed by Shanghai AI Laboratory (上海人工智能实验室). It is designed to be helpful, "
    "honest, and harmless.\n"
    "- InternLM-XComposer (浦语·灵笔) can understand and communicate fluently in the language "
    "chosen by the user such as English and 中文.\n"
    "- InternLM-XComposer (浦语·灵笔) is capable of comprehending and articulating responses "
    "effectively based on the provided image.";

PromptSequence BuildPrompt(const Tokenizer& tokenizer, const ChatPrompt& chat) {
  const PromptText prompt =
      WritePrompt(chat, chat.image_marks == ImageMarks::kAdd
                            ? WithImageMarks(chat.query, chat.history, chat.num_images)
                            : chat.query);
  std::vector<TextRange> parts = SplitAtMarks(prompt.text);
  if (chat.image_marks != ImageMarks::kLoose) CheckMarks(parts.size() - 1, chat.num_images);
  if (chat.num_images == 0) parts = {{0, prompt.text.size()}};

  PromptSequence sequence{prompt.text, {}};
  int image = 0;
  for (const TextRange& part : parts) {
    const std::string_view text =
        std::string_view(prompt.text).substr(part.begin, part.end - part.begin);
    if (!text.empty()) {
      AppendIds(sequence.segments, tokenizer.EncodeWithBos(text, Clip(prompt.typed, part)));
    }
    if (image < chat.num_images) sequence.segments.push_back({{}, image++});
  }
  return sequence;
}

std::string WithImageMarks(std::string_view query, const ChatHistory& history, int num_images) {
  const auto has_mark = [](std::string_view text) { return text.find(kImageMark) != text.npos; };
  std::string marked;
  const bool add = !has_mark(query) && std::ranges::none_of(history, [&](const auto& turn) {
    return has_mark(turn.first) || has_mark(turn.second);
  });
  for (int i = 0; add && i < num_images; ++i) marked += kImageMark;
  return marked += query;
}

std::vector<int32_t> StopIds(const Tokenizer& tokenizer) {
  return {tokenizer.eos_id(), tokenizer.PieceId(kTurnEnd)};
}

}  // namespace ixc
