// The text of an answer while its tokens come: Tokenizer::Decode(ids, skip_special = true), cut
// before the first [UNUSED_TOKEN_145], given out as soon as later tokens cannot change it.
//
// Held back are the bytes of an unfinished character, a space that the clean-up may still remove
// (before "." or "'s", for example) and the beginning of the marker, should it be spelled out.
#pragma once

#include <cstdint>
#include <string>

#include "text/text_stages.h"
#include "text/tokenizer.h"

namespace ixc {

class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer);

  // Takes the next token; returns the text that is now certain, whole characters, often none.
  std::string Push(int32_t id);
  // The rest. Push is not called again.
  std::string Finish();
  // The marker has come; there will be no more text.
  bool ended() const { return cut_.found(); }

 private:
  const Tokenizer& tokenizer_;
  ByteJoiner joiner_;
  CleanUp clean_up_;
  CutAtMarker cut_;
};

}  // namespace ixc
