#include "formats/quant_description.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStem = "quant_model_description";
constexpr auto kTypes = std::to_array<std::string_view>({"w8a8", "w8a8s", "w8a8sc", "w8a8d", "w4"});

// Fields that describe the file and no tensor.
constexpr auto kFields = std::to_array<std::string_view>(
    {"version", "model_quant_type", "group_size", "metadata", "kv_cache_type", "kv_quant_type",
     "fa_quant_type", "reduce_quant_type"});

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::vector<fs::path> DescriptionFiles(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kStem) && name.ends_with(".json")) files.push_back(entry.path());
  }
  // The shortest name is the one without a suffix.
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    return std::pair(a.string().size(), a.string()) < std::pair(b.string().size(), b.string());
  });
  return files;
}

void CheckType(const std::string& type, const JsonFields& fields) {
  if (std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end()) return;
  if (type.empty()) {
    Fail(
        "{}: neither model_quant_type here nor 'quantize' in config.json says how the weights are "
        "quantized",
        fields.where());
  }
  Fail("{}: the weights are quantized as '{}'; this engine runs w8a8, w8a8s, w8a8sc, w8a8d and w4",
       fields.where(), type);
}

}  // namespace

const std::string& QuantDescription::TagOf(std::string_view tensor) const {
  static const std::string kFloat = "FLOAT";
  const auto it = tags.find(tensor);
  return it == tags.end() ? kFloat : it->second;
}

QuantDescription ParseQuantDescription(std::string_view text, const std::string& where,
                                       const std::string& quantize) {
  const Json json = ParseJson(text, where);
  const JsonFields fields(json, where);
  QuantDescription description;
  description.path = where;
  description.version = fields.StringOr("version", description.version);
  description.type = Lower(quantize.empty() ? fields.StringOr("model_quant_type", "") : quantize);
  CheckType(description.type, fields);
  description.group_size = fields.IntegerOr("group_size", 0, {0, 1 << 20});
  if (fields.Has("metadata")) {
    description.codec = fields.Object("metadata").StringOr("codec", "");
  }
  for (const auto& [name, tag] : json.items()) {
    if (std::find(kFields.begin(), kFields.end(), name) != kFields.end()) continue;
    if (!tag.is_string())
      fields.Reject(name, "the name of a scheme, such as \"W8A8\" or \"FLOAT\"");
    description.tags.emplace(name, tag.get<std::string>());
  }
  return description;
}

std::optional<QuantDescription> ReadQuantDescription(const fs::path& directory,
                                                     const fs::path& config_directory) {
  const std::vector<fs::path> files = DescriptionFiles(directory);
  if (files.empty()) return std::nullopt;
  const fs::path config_path = config_directory / "config.json";
  std::error_code code;
  std::string quantize;
  if (fs::exists(config_path, code)) {
    const Json config = ReadJsonFile(config_path);
    quantize = JsonFields(config, config_path.string()).StringOr("quantize", "");
  }
  return ParseQuantDescription(MappedFile(files[0]).text(), files[0].string(), quantize);
}

}  // namespace ixc
