// What the command line reads as JSON: a batch of questions, a history, and the lines that
// `ixc tokenize` answers.
#include "cli/batch_file.h"
#include "cli/saved_conversation.h"
#include "cli/tokenize.h"
#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ixc::Tokenizer tokenizer =
      ixc::Tokenizer::Load(IXC_TEST_DATA "/tokenizer/small/tokenizer.model");
  const std::string_view text = ixc::AsText(data, size);
  ixc::Attempt([&] { ixc::ParseBatch(text, "folder/fuzz", "What?"); });
  ixc::Attempt([&] { ixc::ParseConversation(text, "folder/fuzz"); });
  ixc::Attempt([&] { ixc::AnswerLine(tokenizer, text, "fuzz", /*decode=*/false); });
  ixc::Attempt([&] { ixc::AnswerLine(tokenizer, text, "fuzz", /*decode=*/true); });
  return 0;
}
