#include "server/api_keys.h"

#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "formats/sha256.h"

namespace ixc {
namespace {

std::string Digest(std::string_view key) { return Sha256(std::as_bytes(std::span(key))); }

// Without a branch on what is compared.
bool Equal(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

std::string_view Trim(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

bool StartsWithWord(std::string_view text, std::string_view word) {
  return text.size() > word.size() &&
         std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

std::string KeyOf(std::string_view authorization) {
  if (StartsWithWord(authorization, "bearer ")) return std::string(Trim(authorization.substr(7)));
  if (!StartsWithWord(authorization, "basic ")) return {};
  const auto bytes = DecodeBase64(Trim(authorization.substr(6)));
  if (!bytes) return {};
  const std::string pair(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const size_t colon = pair.find(':');
  return colon == pair.npos ? "" : pair.substr(colon + 1);
}

}  // namespace

ApiKeys ApiKeys::FromText(std::string_view text, const std::string& where) {
  constexpr size_t kShortest = 16;
  ApiKeys keys;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view key = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (key.empty() || key.starts_with('#')) continue;
    if (key.size() < kShortest) {
      Fail("{}: line {}: a key has at least {} characters", where, number, kShortest);
    }
    if (!std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; })) {
      Fail("{}: line {}: a key consists of visible ASCII characters", where, number);
    }
    keys.digests_.push_back(Digest(key));
  }
  if (keys.empty()) Fail("{}: no key in it; write one a line", where);
  return keys;
}

std::optional<size_t> ApiKeys::Find(std::string_view authorization) const {
  // Digests instead of keys: neither length nor content of a key shows in the time it takes.
  const std::string given = Digest(KeyOf(authorization));
  std::optional<size_t> found;
  for (size_t i = 0; i < digests_.size(); ++i) {
    if (Equal(given, digests_[i])) found = i;
  }
  return found;
}

}  // namespace ixc
