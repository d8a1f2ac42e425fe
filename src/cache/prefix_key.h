// What stands at each position of a prompt, so that two prompts can be compared without their
// embeddings: keys and values of a position depend on nothing but the positions up to it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "image/transform.h"

namespace ixc {

// 128 bits of XXH3 over a picture's pixels and size and the transform that cuts it: two pictures
// with the same identity give the same image tokens.
struct PictureIdentity {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const PictureIdentity&) const = default;
};

// hd_num counts for kTiles only.
PictureIdentity IdentityOf(const Image& image, const ImageTransform& transform, int hd_num);

struct PositionKey {
  PictureIdentity picture;  // zero for text
  int64_t value = 0;        // text: the token id; picture: the row within its tokens
  bool operator==(const PositionKey&) const = default;
};

int64_t CommonPrefix(std::span<const PositionKey> left, std::span<const PositionKey> right);

}  // namespace ixc
