#include "cache/picture_cache.h"

#include <utility>

namespace ixc {

namespace {

size_t BytesOf(const Matrix& matrix) {
  return static_cast<size_t>(matrix.rows() * matrix.cols()) * sizeof(float);
}

}  // namespace

PictureCache::Embeds PictureCache::Find(const PictureKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second.use);
  return found->second.embeds;
}

void PictureCache::Insert(const PictureKey& key, Embeds embeds) {
  const auto old = entries_.find(key);
  if (old != entries_.end()) Erase(old);
  const size_t bytes = BytesOf(*embeds);
  if (bytes > max_bytes_) return;
  while (bytes_ + bytes > max_bytes_) Erase(entries_.find(*by_use_.back()));
  const auto entry = entries_.emplace(key, Entry{std::move(embeds), {}}).first;
  entry->second.use = by_use_.insert(by_use_.begin(), &entry->first);
  bytes_ += bytes;
}

void PictureCache::Erase(Entries::iterator entry) {
  bytes_ -= BytesOf(*entry->second.embeds);
  by_use_.erase(entry->second.use);
  entries_.erase(entry);
}

}  // namespace ixc
