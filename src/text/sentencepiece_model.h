// The tokenizer.model file: a protocol buffer of sentencepiece's, read from untrusted bytes.
//
// libsentencepiece trusts its file (a crafted one makes it read out of bounds or end the process),
// so the bytes are parsed and checked here, and what it is given is written anew from the checked
// fields. Only the kind of model that InternLM2 uses is taken: BPE, identity normaliser, no dummy
// prefix, white space kept.
//
// Fields and their numbers: sentencepiece_model.proto of github.com/google/sentencepiece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

struct SentencePieceModel {
  enum class Type : uint8_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6,
  };
  struct Piece {
    std::string text;  // UTF-8; a space is written U+2581; bytes are "<0x00>" to "<0xFF>"
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;   // a piece's index is its id
  bool byte_fallback = false;  // what no piece covers is written as bytes
  int32_t unk_id = 0;
  int32_t bos_id = 1;
  int32_t eos_id = 2;
};

// Throws ixc::Error, which names `where`, for anything that is not a whole model of this kind.
SentencePieceModel ParseSentencePieceModel(std::string_view bytes, const std::string& where);

// The model as libsentencepiece 0.1.97 is to load it.
std::string SerializeForLibrary(const SentencePieceModel& model);

// The byte of a piece of type kByte.
uint8_t ByteOfPiece(std::string_view name);

}  // namespace ixc
