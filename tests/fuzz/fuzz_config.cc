// The JSON files of a model directory; the text is tried as each of them.
#include "formats/checkpoint.h"
#include "formats/model_config.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = ixc::AsText(data, size);
  ixc::Attempt([&] { ixc::ParseModelConfig(text, "fuzz"); });
  ixc::Attempt([&] { ixc::ParseGenerationConfig(text, "fuzz"); });
  ixc::Attempt([&] { ixc::ParseLoraConfig(text, "fuzz"); });
  ixc::Attempt([&] { ixc::ParseLoraDirectory(text, "fuzz"); });
  ixc::Attempt([&] { ixc::ParseWeightIndex(text, "fuzz"); });
  return 0;
}
