// Embeddings of pictures that were seen before, up to a number of bytes; the least recently used go
// first. Keyed by name space and PictureIdentity (prefix_tree.h says what that is good for).
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "cache/prefix_key.h"
#include "tensor/tensor.h"

namespace ixc {

struct PictureKey {
  std::string space;
  PictureIdentity picture;

  bool operator<(const PictureKey& other) const {
    return std::tie(space, picture.low, picture.high) <
           std::tie(other.space, other.picture.low, other.picture.high);
  }
};

class PictureCache {
 public:
  using Embeds = std::shared_ptr<const Matrix>;

  explicit PictureCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null when it is not known. Counts as a use.
  Embeds Find(const PictureKey& key);
  // Keeps it, unless it is larger than all the room there is.
  void Insert(const PictureKey& key, Embeds embeds);
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Embeds embeds;
    std::list<const PictureKey*>::iterator use;
  };
  using Entries = std::map<PictureKey, Entry>;

  void Erase(Entries::iterator entry);

  size_t max_bytes_;
  size_t bytes_ = 0;
  Entries entries_;
  std::list<const PictureKey*> by_use_;  // of entries_, last used first
};

}  // namespace ixc
