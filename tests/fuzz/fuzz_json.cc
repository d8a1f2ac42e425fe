// Any JSON text, and any text at all on its way to the terminal.
#include <cstdlib>

#include "base/json.h"
#include "base/printable.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ixc::AsText(data, size);
  ixc::Attempt([&] {
    const ixc::Json value = ixc::ParseJson(text, "fuzz");
    if (ixc::ParseJson(ixc::ToText(value), "again") != value) std::abort();
  });
  const std::string shown = ixc::Printable(text);
  for (const char c : shown) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  static_cast<void>(ixc::Json(shown).dump());  // throws for what is not UTF-8
  return 0;
}
