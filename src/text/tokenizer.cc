#include "text/tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "text/sentencepiece_model.h"
#include "text/text_stages.h"

namespace ixc {
namespace {

using Type = SentencePieceModel::Type;

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581

std::string WithSpaces(std::string_view piece) {
  std::string text;
  for (size_t at; (at = piece.find(kSpaceSymbol)) != piece.npos;) {
    text += piece.substr(0, at);
    text += ' ';
    piece.remove_prefix(at + kSpaceSymbol.size());
  }
  return text += piece;
}

// A piece that a text matches by its name and that is not just text itself, as "——" is: the name
// is in brackets. Such pieces open and close turns.
bool IsInBrackets(const SentencePieceModel::Piece& piece) {
  if (piece.type != Type::kUserDefined || piece.text.size() < 3) return false;
  return (piece.text.front() == '[' && piece.text.back() == ']') ||
         (piece.text.front() == '<' && piece.text.back() == '>');
}

bool Overlaps(std::span<const TextRange> ranges, size_t begin, size_t end) {
  const auto first_after = std::ranges::partition_point(
      ranges, [begin](const TextRange& range) { return range.end <= begin; });
  return first_after != ranges.end() && first_after->begin < end;
}

}  // namespace

class Tokenizer::Impl {
 public:
  Impl(const SentencePieceModel& model, const std::string& where);

  std::vector<int32_t> Encode(std::string_view text, std::span<const TextRange> typed) const;

  struct Piece {
    std::string name;  // with spaces
    TokenText::Kind kind;
    uint8_t byte;
    bool is_control_string;
    bool is_silent;  // a control piece beyond the special ones: no text
  };
  std::vector<Piece> pieces;
  const int32_t unk_id;
  const int32_t bos_id;
  const int32_t eos_id;

 private:
  struct Special {
    size_t at;
    int32_t id;
  };
  void FillPieces(const SentencePieceModel& model);
  std::optional<Special> FindSpecial(std::string_view text, size_t from,
                                     std::span<const TextRange> typed) const;
  void EncodeRun(std::string_view text, TextRange run, std::span<const TextRange> typed,
                 std::vector<int32_t>& ids) const;
  bool IsForged(std::string_view text, size_t at, size_t end,
                std::span<const TextRange> typed) const;
  void EncodePieces(std::string_view text, std::vector<int32_t>& ids) const;

  sentencepiece::SentencePieceProcessor processor_;
  std::vector<std::string> control_strings_;
};

Tokenizer::Impl::Impl(const SentencePieceModel& model, const std::string& where)
    : unk_id(model.unk_id), bos_id(model.bos_id), eos_id(model.eos_id) {
  const auto status = processor_.LoadFromSerializedProto(SerializeForLibrary(model));
  if (!status.ok()) Fail("{}: sentencepiece refuses the model: {}", where, status.message());
  for (const auto& piece : model.pieces) {
    if (IsInBrackets(piece)) control_strings_.push_back(piece.text);
  }
  FillPieces(model);
}

void Tokenizer::Impl::FillPieces(const SentencePieceModel& model) {
  pieces.reserve(model.pieces.size());
  for (const auto& piece : model.pieces) {
    Piece& out = pieces.emplace_back();
    out.name = WithSpaces(piece.text);
    out.kind = piece.type == Type::kByte ? TokenText::Kind::kByte : TokenText::Kind::kText;
    out.byte = piece.type == Type::kByte ? ByteOfPiece(piece.text) : uint8_t{0};
    out.is_control_string = IsInBrackets(piece);
    out.is_silent = piece.type == Type::kControl;
  }
  for (int32_t id : {unk_id, bos_id, eos_id}) {
    pieces[static_cast<size_t>(id)].kind = TokenText::Kind::kSpecial;
    pieces[static_cast<size_t>(id)].is_silent = false;
  }
}

std::vector<int32_t> Tokenizer::Impl::Encode(std::string_view text,
                                             std::span<const TextRange> typed) const {
  if (text.size() > kMaxTextBytes) {
    Fail("a text of {} bytes is too long to tokenize; at most {}", text.size(), kMaxTextBytes);
  }
  std::vector<int32_t> ids;
  for (size_t begin = 0;;) {
    const std::optional<Special> special = FindSpecial(text, begin, typed);
    std::string_view run = text.substr(0, special ? special->at : text.size()).substr(begin);
    if (begin > 0) run = StripFront(run);
    if (special) run = StripBack(run);
    const size_t run_begin = static_cast<size_t>(run.data() - text.data());
    EncodeRun(text, {run_begin, run_begin + run.size()}, typed, ids);
    if (!special) return ids;
    ids.push_back(special->id);
    begin = special->at + pieces[static_cast<size_t>(special->id)].name.size();
  }
}

// The first special token that is not typed; of those at one place the longest.
std::optional<Tokenizer::Impl::Special> Tokenizer::Impl::FindSpecial(
    std::string_view text, size_t from, std::span<const TextRange> typed) const {
  for (size_t at = from; at < text.size(); ++at) {
    size_t longest = 0;
    Special special{at, -1};
    for (int32_t id : {unk_id, bos_id, eos_id}) {
      const std::string& name = pieces[static_cast<size_t>(id)].name;
      if (name.size() <= longest || !text.substr(at).starts_with(name)) continue;
      if (Overlaps(typed, at, at + name.size())) continue;
      longest = name.size();
      special.id = id;
    }
    if (longest > 0) return special;
  }
  return std::nullopt;
}

// Encodes a run without special tokens. A forged control string is cut behind its bracket, so that
// sentencepiece sees it in two halves and neither matches.
void Tokenizer::Impl::EncodeRun(std::string_view text, TextRange run,
                                std::span<const TextRange> typed, std::vector<int32_t>& ids) const {
  size_t begin = run.begin;
  if (!typed.empty()) {
    for (size_t at = run.begin; at < run.end; ++at) {
      if (!IsForged(text, at, run.end, typed)) continue;
      EncodePieces(text.substr(begin, at + 1 - begin), ids);
      begin = at + 1;
    }
  }
  EncodePieces(text.substr(begin, run.end - begin), ids);
}

bool Tokenizer::Impl::IsForged(std::string_view text, size_t at, size_t end,
                               std::span<const TextRange> typed) const {
  if (text[at] != '[' && text[at] != '<') return false;
  const std::string_view rest = text.substr(at, end - at);
  return std::ranges::any_of(control_strings_, [&](const std::string& name) {
    return rest.starts_with(name) && Overlaps(typed, at, at + name.size());
  });
}

void Tokenizer::Impl::EncodePieces(std::string_view text, std::vector<int32_t>& ids) const {
  static_assert(std::is_same_v<int, int32_t>);
  std::vector<int32_t> encoded;
  const auto status = processor_.Encode(text, &encoded);
  if (!status.ok()) Fail("sentencepiece cannot encode a text: {}", status.message());
  ids.insert(ids.end(), encoded.begin(), encoded.end());
}

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::Load(const std::filesystem::path& path) {
  std::error_code ignored;  // what cannot be looked at cannot be mapped either
  const bool is_directory = std::filesystem::is_directory(path, ignored);
  const MappedFile file(is_directory ? path / "tokenizer.model" : path);
  return FromBytes(file.text(), file.path().string());
}

Tokenizer Tokenizer::FromBytes(std::string_view bytes, const std::string& where) {
  return Tokenizer(std::make_unique<const Impl>(ParseSentencePieceModel(bytes, where), where));
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text,
                                       std::span<const TextRange> typed) const {
  return impl_->Encode(text, typed);
}

std::vector<int32_t> Tokenizer::EncodeWithBos(std::string_view text,
                                              std::span<const TextRange> typed) const {
  std::vector<int32_t> ids = Encode(text, typed);
  ids.insert(ids.begin(), bos_id());
  return ids;
}

std::vector<int32_t> Tokenizer::EncodeOrdinary(std::string_view text) const {
  const std::array<TextRange, 1> all = {{{0, text.size()}}};
  return Encode(text, all);
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  std::string run;  // since the last special token
  ByteJoiner joiner;
  bool after_special = false;
  for (int32_t id : ids) {
    const TokenText token = Text(id);
    if (token.kind == TokenText::Kind::kSpecial) {
      if (skip_special) continue;  // a character's bytes may stand on both sides of it
      if (!after_special) text += ' ';
      text += std::exchange(run, {}) + joiner.Finish();
      text += token.text;
    } else {
      run += token.kind == TokenText::Kind::kByte ? joiner.PushByte(token.byte)
                                                  : joiner.PushText(token.text);
    }
    after_special = token.kind == TokenText::Kind::kSpecial;
  }
  text += run + joiner.Finish();
  CleanUp clean_up;
  text = clean_up.Push(std::move(text));
  return text += clean_up.Finish();
}

TokenText Tokenizer::Text(int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    Fail("token id {} is not in the vocabulary, which has ids 0 to {}", id, vocab_size() - 1);
  }
  const Impl::Piece& piece = impl_->pieces[static_cast<size_t>(id)];
  return {piece.kind, piece.byte, piece.is_silent ? std::string_view() : piece.name};
}

bool Tokenizer::IsControlString(int32_t id) const {
  return impl_->pieces[static_cast<size_t>(id)].is_control_string;
}

std::optional<int32_t> Tokenizer::FindPiece(std::string_view name) const {
  const auto found = std::ranges::find(impl_->pieces, WithSpaces(name), &Impl::Piece::name);
  if (found == impl_->pieces.end()) return std::nullopt;
  return static_cast<int32_t>(found - impl_->pieces.begin());
}

int32_t Tokenizer::PieceId(std::string_view name) const {
  if (const auto id = FindPiece(name)) return *id;
  Fail("the tokenizer has no piece '{}'; is this the tokenizer.model of the model?", name);
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(impl_->pieces.size()); }
int32_t Tokenizer::unk_id() const { return impl_->unk_id; }
int32_t Tokenizer::bos_id() const { return impl_->bos_id; }
int32_t Tokenizer::eos_id() const { return impl_->eos_id; }

}  // namespace ixc
