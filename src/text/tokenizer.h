// The tokenizer of InternLM2: sentencepiece BPE inside the rules of Hugging Face's slow tokenizer
// (transformers 4.33). Spec: model.md §7.5.
//
// Encoding: `<s>`, `</s>` and `<unk>` in a text are special tokens, and the white space beside them
// is dropped; what lies between goes through sentencepiece on its own. The model's user-defined
// pieces, [UNUSED_TOKEN_145] and its like, are matched before any merging.
//
// Text that somebody typed must not act as control tokens. Ranges of a text can therefore be marked
// as typed: a control string that lies in such a range, even in part, is encoded as ordinary
// pieces. All other text gives the same ids, typed or not.
//
// Bytes that are not UTF-8 are encoded as U+FFFD, one for each byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin;
  size_t end;
};

// What one token adds to a decoded text.
struct TokenText {
  enum class Kind : uint8_t {
    kText,     // `text`, whole characters
    kByte,     // `byte`, which may be a part of a character
    kSpecial,  // unknown, begin or end of sequence: nothing, or its name in `text`
  };
  Kind kind;
  uint8_t byte;
  std::string_view text;
};

class Tokenizer {
 public:
  // From a model directory, which holds tokenizer.model, or from that file itself.
  static Tokenizer Load(const std::filesystem::path& path);
  // `where` names the bytes in errors.
  static Tokenizer FromBytes(std::string_view bytes, const std::string& where);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Ids of a text, without BOS. `typed`: ascending, not overlapping. At most 4 MiB of text.
  std::vector<int32_t> Encode(std::string_view text, std::span<const TextRange> typed = {}) const;
  // The same with BOS in front.
  std::vector<int32_t> EncodeWithBos(std::string_view text,
                                     std::span<const TextRange> typed = {}) const;
  // Ids of a text that was typed as a whole.
  std::vector<int32_t> EncodeOrdinary(std::string_view text) const;

  // Text of a whole sequence, always UTF-8. `skip_special` leaves the special tokens out; else each
  // stands by its name, and a space comes before the text run that ends at a special token.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

  // Throws for an id outside the vocabulary.
  TokenText Text(int32_t id) const;

  // A piece that a text matches by its name, in brackets, as [UNUSED_TOKEN_145]: see
  // docs/prompts.md.
  bool IsControlString(int32_t id) const;

  std::optional<int32_t> FindPiece(std::string_view name) const;
  // As FindPiece, but throws when the tokenizer has no such piece.
  int32_t PieceId(std::string_view name) const;
  int32_t vocab_size() const;
  int32_t unk_id() const;
  int32_t bos_id() const;
  int32_t eos_id() const;

 private:
  class Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace ixc
