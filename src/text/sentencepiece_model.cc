#include "text/sentencepiece_model.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace ixc {
namespace {

using Piece = SentencePieceModel::Piece;
using Type = SentencePieceModel::Type;

constexpr uint64_t kBpe = 2;  // TrainerSpec.ModelType
constexpr std::string_view kNulPiece("\0", 1);

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

// Walks over the fields of one protocol buffer message.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  // Steps to the next field; false at the end of the message.
  bool Next() {
    if (rest_.empty()) return false;
    const uint64_t key = ReadVarint();
    if (key >> 32 != 0 || key >> 3 == 0) Reject("a field number is out of range");
    number_ = static_cast<uint32_t>(key >> 3);
    wire_ = static_cast<uint32_t>(key & 7);
    switch (wire_) {
      case kVarint:
        varint_ = ReadVarint();
        return true;
      case kFixed64:
        bytes_ = ReadBytes(8);
        return true;
      case kLengthDelimited:
        bytes_ = ReadBytes(ReadVarint());
        return true;
      case kFixed32:
        bytes_ = ReadBytes(4);
        return true;
      default:
        Reject("a field has an unknown wire type");
    }
  }

  uint32_t number() const { return number_; }
  uint64_t Varint() const { return Expect(kVarint), varint_; }
  std::string_view Bytes() const { return Expect(kLengthDelimited), bytes_; }
  float Float() const {
    Expect(kFixed32);
    uint32_t bits = 0;  // little endian in the file, whatever the machine
    for (size_t i = 4; i-- > 0;) bits = (bits << 8) | static_cast<uint8_t>(bytes_[i]);
    return std::bit_cast<float>(bits);
  }

  [[noreturn]] void Reject(std::string_view what) const {
    Fail("{}: not a sentencepiece model: {}; copy tokenizer.model again", where_, what);
  }

 private:
  void Expect(uint32_t wire) const {
    if (wire_ != wire)
      Reject(fmt::format("field {} has wire type {}, not {}", number_, wire_, wire));
  }

  uint64_t ReadVarint() {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    Reject("a number does not end");
  }

  std::string_view ReadBytes(uint64_t size) {
    if (size > rest_.size()) {
      Reject(fmt::format("a field wants {} bytes, {} are left", size, rest_.size()));
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  const std::string& where_;
  uint32_t number_ = 0;
  uint32_t wire_ = 0;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

// What the parser needs to refuse other kinds of model, with the defaults of the .proto file.
struct Settings {
  uint64_t model_type = 1;
  bool whitespace_as_suffix = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool has_character_map = false;
  std::string bos_name = "<s>";
  std::string eos_name = "</s>";
};

std::optional<uint8_t> FindByteOfPiece(std::string_view name) {
  uint8_t byte = 0;
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return std::nullopt;
  const auto parsed = std::from_chars(name.data() + 3, name.data() + 5, byte, 16);
  if (parsed.ptr != name.data() + 5) return std::nullopt;
  return byte;
}

Piece ParsePiece(std::string_view bytes, const std::string& where) {
  Piece piece;
  uint64_t type = static_cast<uint64_t>(Type::kNormal);
  WireReader reader(bytes, where);
  while (reader.Next()) {
    if (reader.number() == 1) piece.text = reader.Bytes();
    if (reader.number() == 2) piece.score = reader.Float();
    if (reader.number() == 3) type = reader.Varint();
  }
  if (type < static_cast<uint64_t>(Type::kNormal) || type > static_cast<uint64_t>(Type::kByte)) {
    reader.Reject(fmt::format("a piece has the unknown type {}", type));
  }
  piece.type = static_cast<Type>(type);
  return piece;
}

void ParseTrainerSpec(std::string_view bytes, const std::string& where, SentencePieceModel& model,
                      Settings& settings) {
  WireReader reader(bytes, where);
  while (reader.Next()) {
    switch (reader.number()) {
      case 3:
        settings.model_type = reader.Varint();
        break;
      case 24:
        settings.whitespace_as_suffix = reader.Varint() != 0;
        break;
      case 35:
        model.byte_fallback = reader.Varint() != 0;
        break;
      case 46:
        settings.bos_name = reader.Bytes();
        break;
      case 47:
        settings.eos_name = reader.Bytes();
        break;
      default:
        break;  // how it was trained
    }
  }
}

void ParseNormalizerSpec(std::string_view bytes, const std::string& where, Settings& settings) {
  WireReader reader(bytes, where);
  while (reader.Next()) {
    if (reader.number() == 2) settings.has_character_map = !reader.Bytes().empty();
    if (reader.number() == 3) settings.add_dummy_prefix = reader.Varint() != 0;
    if (reader.number() == 4) settings.remove_extra_whitespaces = reader.Varint() != 0;
    if (reader.number() == 5) settings.escape_whitespaces = reader.Varint() != 0;
  }
}

void CheckSettings(const Settings& settings, const std::string& where) {
  const auto want = [&](bool holds, const char* wanted) {
    if (!holds) Fail("{}: wanted the tokenizer of InternLM2, which has {}", where, wanted);
  };
  want(settings.model_type == kBpe, "a BPE model");
  want(!settings.whitespace_as_suffix, "white space in front of its word");
  want(!settings.has_character_map, "no character map (normaliser 'identity')");
  want(!settings.add_dummy_prefix, "add_dummy_prefix off");
  want(!settings.remove_extra_whitespaces, "remove_extra_whitespaces off");
  want(settings.escape_whitespaces, "escape_whitespaces on");
}

void CheckPiece(const Piece& piece, size_t id, bool byte_fallback, const std::string& where) {
  const auto reject = [&](const char* why) {
    Fail("{}: not a sentencepiece model: piece {} {}", where, id, why);
  };
  if (piece.text.empty()) reject("is empty");
  if (piece.text.size() > kMaxPieceBytes) reject("is longer than 4,096 bytes");
  if (!IsUtf8(piece.text)) reject("is not UTF-8");
  if (!std::isfinite(piece.score)) reject("has no finite score");
  // The real tokenizer holds a piece that is one NUL; see SerializeForLibrary.
  const bool is_nul_piece = byte_fallback && piece.text == kNulPiece && piece.type == Type::kNormal;
  if (piece.text.find('\0') != piece.text.npos && !is_nul_piece) reject("holds a NUL character");
  if (piece.type == Type::kByte && !FindByteOfPiece(piece.text)) reject("is not named as a byte");
}

// The id of the one piece of a type and, if not empty, a name.
int32_t FindId(const SentencePieceModel& model, Type type, std::string_view name,
               const std::string& where) {
  const auto is_wanted = [&](const Piece& piece) {
    return piece.type == type && (name.empty() || piece.text == name);
  };
  const auto found = std::ranges::find_if(model.pieces, is_wanted);
  if (found == model.pieces.end()) {
    Fail("{}: wanted the tokenizer of InternLM2; the special piece '{}' is missing", where,
         name.empty() ? "<unk>" : name);
  }
  return static_cast<int32_t>(found - model.pieces.begin());
}

void CheckNesting(const SentencePieceModel& model, const std::string& where) {
  std::vector<std::string_view> user_pieces;
  for (const Piece& piece : model.pieces) {
    if (piece.type == Type::kUserDefined) user_pieces.push_back(piece.text);
  }
  std::ranges::sort(user_pieces);
  std::vector<std::string_view> nested;  // each begins the next one, all begin the piece at hand
  for (std::string_view piece : user_pieces) {
    while (!nested.empty() && !piece.starts_with(nested.back())) nested.pop_back();
    nested.push_back(piece);
    if (nested.size() > kMaxNestedUserPieces) {
      Fail("{}: more than {} user-defined pieces begin with one another", where,
           kMaxNestedUserPieces);
    }
  }
}

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void AppendNumber(std::string& out, uint32_t field, uint64_t value) {
  AppendVarint(out, (uint64_t{field} << 3) | kVarint);
  AppendVarint(out, value);
}

void AppendBytes(std::string& out, uint32_t field, std::string_view bytes) {
  AppendVarint(out, (uint64_t{field} << 3) | kLengthDelimited);
  AppendVarint(out, bytes.size());
  out += bytes;
}

void AppendFloat(std::string& out, uint32_t field, float value) {
  AppendVarint(out, (uint64_t{field} << 3) | kFixed32);
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  for (uint32_t shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(bits >> shift));
}

}  // namespace

SentencePieceModel ParseSentencePieceModel(std::string_view bytes, const std::string& where) {
  if (bytes.size() > kMaxTokenizerBytes) {
    Fail("{}: {} bytes; a tokenizer model has at most {}", where, bytes.size(), kMaxTokenizerBytes);
  }
  SentencePieceModel model;
  Settings settings;
  WireReader reader(bytes, where);
  while (reader.Next()) {
    if (reader.number() == 1) model.pieces.push_back(ParsePiece(reader.Bytes(), where));
    if (model.pieces.size() > kMaxPieces)
      reader.Reject(fmt::format("more than {} pieces", kMaxPieces));
    if (reader.number() == 2) ParseTrainerSpec(reader.Bytes(), where, model, settings);
    if (reader.number() == 3) ParseNormalizerSpec(reader.Bytes(), where, settings);
  }
  if (model.pieces.empty()) reader.Reject("it has no pieces");
  CheckSettings(settings, where);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    CheckPiece(model.pieces[id], id, model.byte_fallback, where);
  }
  CheckNesting(model, where);
  model.unk_id = FindId(model, Type::kUnknown, "", where);
  model.bos_id = FindId(model, Type::kControl, settings.bos_name, where);
  model.eos_id = FindId(model, Type::kControl, settings.eos_name, where);
  return model;
}

// Left out: everything about training, the self test, and the denormaliser. The NUL piece of the
// real tokenizer is never to be matched, as in sentencepiece 0.2: with byte fallback a NUL is
// <0x00>. As a control piece under a name that no text can give, it keeps its id.
std::string SerializeForLibrary(const SentencePieceModel& model) {
  std::string out;
  for (const Piece& piece : model.pieces) {
    const bool is_nul_piece = piece.text == kNulPiece;
    std::string message;
    AppendBytes(message, 1, is_nul_piece ? "<NUL piece>" : piece.text);
    AppendFloat(message, 2, piece.score);
    AppendNumber(message, 3, static_cast<uint64_t>(is_nul_piece ? Type::kControl : piece.type));
    AppendBytes(out, 1, message);
  }
  std::string trainer;
  AppendNumber(trainer, 3, kBpe);
  AppendNumber(trainer, 35, model.byte_fallback ? 1 : 0);
  AppendBytes(out, 2, trainer);
  std::string normalizer;
  AppendNumber(normalizer, 3, 0);  // add_dummy_prefix
  AppendNumber(normalizer, 4, 0);  // remove_extra_whitespaces
  AppendNumber(normalizer, 5, 1);  // escape_whitespaces
  AppendBytes(out, 3, normalizer);
  return out;
}

uint8_t ByteOfPiece(std::string_view name) { return FindByteOfPiece(name).value(); }

}  // namespace ixc
