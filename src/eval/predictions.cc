#include "eval/predictions.h"

#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr JsonLimits kLimits = {.max_bytes = size_t{1} << 30, .max_depth = 4};

std::string Quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', /*ensure_ascii=*/true);
}

// File name to key; "" for names that several keys have.
std::map<std::string, std::string> ByName(const Predictions& predictions,
                                          const std::set<std::string>& without) {
  std::map<std::string, std::string> names;
  for (const auto& [key, answer] : predictions) {
    if (without.count(key) > 0) continue;
    const auto [place, is_new] = names.emplace(fs::path(key).filename().string(), key);
    if (!is_new) place->second.clear();
  }
  return names;
}

}  // namespace

Predictions ReadPredictions(const fs::path& path) {
  const Json json = ReadJsonFile(path, kLimits);
  if (!json.is_object()) {
    Fail("{}: wanted a JSON object of pictures and answers, found {}", path.string(),
         json.type_name());
  }
  Predictions predictions;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      Fail("{}: the answer of '{}' is {}, wanted a string", path.string(), key, value.type_name());
    }
    predictions.emplace(key, value.get<std::string>());
  }
  return predictions;
}

std::string FormatPredictions(const Predictions& predictions) {
  std::string text = "{";
  for (const auto& [key, answer] : predictions) {
    if (text.size() > 1) text += ", ";
    text += Quoted(key) + ": " + Quoted(answer);
  }
  return text + "}";
}

void WritePredictions(const fs::path& path, const Predictions& predictions) {
  WriteWholeFile(path, FormatPredictions(predictions));
}

void RemoveUnfinished(const fs::path& path) {
  std::error_code code;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string prefix = path.filename().string() + ".tmp-";
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.size() == prefix.size() + 8) fs::remove(entry, code);
  }
}

PairedAnswers PairAnswers(const Predictions& a, const Predictions& b) {
  PairedAnswers paired;
  std::map<std::string, std::string> partner;  // key of A to key of B
  std::set<std::string> used_a, used_b;
  for (const auto& [key, answer] : a) {
    if (b.count(key) == 0) continue;
    partner[key] = key;
    used_a.insert(key);
    used_b.insert(key);
  }
  const auto names_b = ByName(b, used_b);
  for (const auto& [name, key] : ByName(a, used_a)) {
    const auto found = names_b.find(name);
    if (key.empty() || found == names_b.end() || found->second.empty()) continue;
    partner[key] = found->second;
    used_b.insert(found->second);
  }
  for (const auto& [key, answer] : a) {
    const auto found = partner.find(key);
    if (found == partner.end()) {
      paired.only_a.push_back(key);
    } else {
      paired.pairs.push_back({key, found->second, answer, b.at(found->second)});
    }
  }
  for (const auto& [key, answer] : b) {
    if (used_b.count(key) == 0) paired.only_b.push_back(key);
  }
  return paired;
}

}  // namespace ixc
