#include "text/stream_decoder.h"

#include "text/chat_template.h"

namespace ixc {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer), cut_(kTurnEnd) {}

std::string StreamDecoder::Push(int32_t id) {
  const TokenText token = tokenizer_.Text(id);
  switch (token.kind) {
    case TokenText::Kind::kSpecial:
      return {};
    case TokenText::Kind::kByte:
      return cut_.Push(clean_up_.Push(joiner_.PushByte(token.byte)));
    case TokenText::Kind::kText:
      break;
  }
  return cut_.Push(clean_up_.Push(joiner_.PushText(token.text)));
}

std::string StreamDecoder::Finish() {
  std::string text = cut_.Push(clean_up_.Push(joiner_.Finish()));
  text += cut_.Push(clean_up_.Finish());
  return text += cut_.Finish();
}

}  // namespace ixc
