// What a quantized directory says of itself: quant_model_description.json, or, as older versions of
// the original tool set write it, quant_model_description_w8a8.json and the like.
//
//   {"version": "1.0.0", "model_quant_type": "W8A8S", "group_size": 64,
//    "metadata": {"codec": "..."}, "model.layers.0.attention.wqkv.weight": "W8A8S", ...}
//
// One entry a tensor says how it is stored: FLOAT, W8A8, W8A8S, W8A8SC, and of this project W8A8D
// and W4. Older files have neither version nor, sometimes, type; config.json then has `quantize`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ixc {

struct QuantDescription {
  std::string path;               // of the file, for errors
  std::string version = "0.0.0";  // of an absent field
  std::string type;               // lower case: "w8a8", "w8a8s", "w8a8sc", "w8a8d", "w4"
  int64_t group_size = 0;         // w4: weights that share a scale
  std::string codec;              // w8a8sc: who compressed it; "": the vendor's tool
  std::map<std::string, std::string, std::less<>> tags;  // by tensor

  // "FLOAT" of a tensor that the file does not name.
  const std::string& TagOf(std::string_view tensor) const;
};

// Empty for a directory without such a file. Where there are several, the one without a suffix
// wins. `quantize` of config.json, in `config_directory`, goes before model_quant_type.
std::optional<QuantDescription> ReadQuantDescription(const std::filesystem::path& directory,
                                                     const std::filesystem::path& config_directory);

// The same from texts; `quantize` is that of config.json or "".
QuantDescription ParseQuantDescription(std::string_view text, const std::string& where,
                                       const std::string& quantize);

}  // namespace ixc
