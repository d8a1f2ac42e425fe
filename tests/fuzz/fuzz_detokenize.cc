// Pairs of bytes as token ids: the streamed text is UTF-8, piece by piece, and is the whole text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "text/stream_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ixc::Tokenizer tokenizer =
      ixc::Tokenizer::Load(IXC_TEST_DATA "/tokenizer/small/tokenizer.model");
  std::vector<int32_t> ids;
  for (size_t i = 0; i + 1 < size; i += 2) {
    ids.push_back((data[i] << 8 | data[i + 1]) % tokenizer.vocab_size());
  }
  ixc::StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (int32_t id : ids) {
    const std::string text = decoder.Push(id);
    if (!ixc::IsUtf8(text)) std::abort();
    streamed += text;
  }
  streamed += decoder.Finish();
  const std::string whole = tokenizer.Decode(ids, /*skip_special=*/true);
  if (streamed != whole.substr(0, whole.find("[UNUSED_TOKEN_145]"))) std::abort();
  tokenizer.Decode(ids, /*skip_special=*/false);
  return 0;
}
