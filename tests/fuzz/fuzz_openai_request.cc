// What clients of the server send: bodies of both kinds of completion, JSON schemas in them, and
// pictures as data: URLs.
#include "fuzz/fuzz.h"
#include "server/data_url.h"
#include "server/openai_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ixc::AsText(data, size);
  ixc::RequestLimits limits;
  limits.vocabulary = 1000;
  ixc::Attempt([&] {
    const ixc::CompletionRequest request = ixc::ParseChatRequest(text, limits);
    for (const std::string& url : request.picture_urls) {
      ixc::Attempt([&] { ixc::ReadDataUrl(url, 1000); });
    }
    if (request.grammar == nullptr) return;
    // A few bytes into whatever language the schema describes.
    ixc::GrammarRun run(request.grammar);
    ixc::GrammarRun::State state = run.start();
    for (size_t i = 0; i < size && state != ixc::GrammarRun::kDead && i < 64; ++i) {
      state = run.Next(state, data[i]);
    }
  });
  ixc::Attempt([&] { ixc::ParseTextRequest(text, limits); });
  return 0;
}
