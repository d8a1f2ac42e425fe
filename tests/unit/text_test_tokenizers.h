// The two tokenizers of the tests, loaded once.
#pragma once

#include "text/tokenizer.h"

namespace ixc {

inline const Tokenizer& RealTokenizer() {
  static const Tokenizer tokenizer = Tokenizer::Load(IXC_TEST_DATA "/tokenizer");
  return tokenizer;
}

inline const Tokenizer& SmallTokenizer() {
  static const Tokenizer tokenizer = Tokenizer::Load(IXC_TEST_DATA "/tokenizer/small");
  return tokenizer;
}

}  // namespace ixc
