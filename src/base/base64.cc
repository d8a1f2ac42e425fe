#include "base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace ixc {
namespace {

constexpr uint32_t kInvalid = 64;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values{};
  values.fill(kInvalid);
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}

constexpr std::array<uint8_t, 256> kValues = MakeValues();

}  // namespace

std::optional<std::vector<std::byte>> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::vector<std::byte> bytes;
  bytes.reserve(MaxBase64Bytes(text.size()));
  for (size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const int padding = !last                             ? 0
                        : text.substr(at).ends_with("==") ? 2
                        : text.ends_with('=')             ? 1
                                                          : 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; ++i) {
      const bool pad = i >= static_cast<size_t>(4 - padding);
      const uint32_t value = pad ? 0 : kValues[static_cast<uint8_t>(text[at + i])];
      if (value == kInvalid) return std::nullopt;
      bits = bits << 6 | value;
    }
    const uint32_t unused = padding == 0 ? 0 : (1u << (8 * padding)) - 1;
    if ((bits & unused) != 0) return std::nullopt;
    for (int i = 0; i < 3 - padding; ++i) {
      bytes.push_back(static_cast<std::byte>(bits >> (16 - 8 * i)));
    }
  }
  return bytes;
}

std::string EncodeBase64(std::span<const std::byte> bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < count ? std::to_integer<uint32_t>(bytes[at + i]) : 0);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

}  // namespace ixc
