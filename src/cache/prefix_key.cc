#include "cache/prefix_key.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>

namespace ixc {

PictureIdentity IdentityOf(const Image& image, const ImageTransform& transform, int hd_num) {
  const bool is_cut = transform.kind == ImageTransform::Kind::kTiles;
  const std::array<int32_t, 5> shape = {image.width, image.height,
                                        static_cast<int32_t>(transform.kind), transform.view_size,
                                        is_cut ? hd_num : 0};
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       &XXH3_freeState);
  if (state == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), shape.data(), sizeof(shape));
  XXH3_128bits_update(state.get(), image.rgb.data(), image.rgb.size());
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return {hash.low64, hash.high64};
}

int64_t CommonPrefix(std::span<const PositionKey> left, std::span<const PositionKey> right) {
  return std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin();
}

}  // namespace ixc
