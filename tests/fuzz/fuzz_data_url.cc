// Pictures that stand in their URL, and base64 by itself: what is taken is what an encoder writes.
#include <cstdlib>

#include "base/base64.h"
#include "fuzz/fuzz.h"
#include "server/data_url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ixc::AsText(data, size);
  ixc::Attempt([&] { ixc::ReadDataUrl(text, 1000); });
  if (const auto bytes = ixc::DecodeBase64(text)) {
    if (ixc::EncodeBase64(*bytes) != text) std::abort();
  }
  return 0;
}
