// What a quantized directory says of itself; the first line stands for `quantize` of config.json.
#include <algorithm>
#include <string>

#include "formats/quant_description.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ixc::AsText(data, size);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string quantize(text.substr(0, line));
  ixc::Attempt([&] {
    const auto description = ixc::ParseQuantDescription(
        text.substr(std::min(line + 1, text.size())), "folder/fuzz", quantize);
    description.TagOf("model.layers.0.attention.wqkv.weight");
  });
  return 0;
}
