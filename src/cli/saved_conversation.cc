#include "cli/saved_conversation.h"

#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "image/hd_geometry.h"

namespace ixc {

namespace {

constexpr const char* kFormat = "ixc-conversation";
constexpr int kVersion = 1;

std::vector<std::pair<std::string, std::string>> ReadTurns(const Json& json,
                                                           const std::string& where) {
  const auto is_pair = [](const Json& item) {
    return item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string();
  };
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_pair)) {
    Fail("{}: wanted a list of [question, answer] pairs of strings", where);
  }
  std::vector<std::pair<std::string, std::string>> turns;
  for (const Json& item : json) {
    turns.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
  }
  return turns;
}

std::vector<SavedConversation::Picture> ReadPictures(const Json& json, const std::string& path) {
  if (!json.is_array()) Fail("{}: field 'pictures' wanted a list", path);
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::vector<SavedConversation::Picture> pictures;
  for (const Json& item : json) {
    const JsonFields fields(item, path + ": a picture");
    pictures.push_back({(folder / fields.String("file")).string(),
                        static_cast<int>(fields.Integer("hd_num", {1, kMaxHdNum}))});
  }
  return pictures;
}

}  // namespace

SavedConversation ReadConversation(const std::string& path) {
  return ParseConversation(MappedFile(path).text(), path);
}

SavedConversation ParseConversation(std::string_view text, const std::string& path) {
  const Json json = ParseJson(text, path);
  SavedConversation conversation;
  if (json.is_array()) {
    conversation.turns = ReadTurns(json, path);
    return conversation;
  }
  const JsonFields fields(json, path);
  if (fields.String("format") != kFormat) fields.Reject("format", kFormat);
  fields.Integer("version", {kVersion, kVersion});
  if (fields.Has("system")) conversation.system = fields.String("system");
  if (const Json* pictures = fields.Find("pictures")) {
    conversation.pictures = ReadPictures(*pictures, path);
  }
  const Json* turns = fields.Find("turns");
  if (turns == nullptr) fields.Reject("turns", "a list of [question, answer] pairs");
  conversation.turns = ReadTurns(*turns, path + ": field 'turns'");
  return conversation;
}

void WriteConversation(const std::string& path, const SavedConversation& conversation) {
  Json json;
  json["format"] = kFormat;
  json["version"] = kVersion;
  if (conversation.system) json["system"] = *conversation.system;
  json["pictures"] = Json::array();
  for (const auto& picture : conversation.pictures) {
    const std::string file = std::filesystem::absolute(picture.file).lexically_normal().string();
    json["pictures"].push_back({{"file", file}, {"hd_num", picture.hd_num}});
  }
  json["turns"] = Json::array();
  for (const auto& [question, answer] : conversation.turns) {
    json["turns"].push_back({question, answer});
  }
  WriteWholeFile(path, ToText(json, 2) + "\n");
}

}  // namespace ixc
