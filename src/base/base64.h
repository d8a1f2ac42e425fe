// Base64 (RFC 4648, section 4), strictly: the standard alphabet, padded, nothing between.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

// None when `text` is not what an encoder writes: another character, a wrong length, padding inside
// or bits behind the last byte.
std::optional<std::vector<std::byte>> DecodeBase64(std::string_view text);

std::string EncodeBase64(std::span<const std::byte> bytes);

// Bytes that a text of so many characters has at most.
inline size_t MaxBase64Bytes(size_t characters) { return characters / 4 * 3; }

}  // namespace ixc
