#include "engine/batch_memory.h"

#include <algorithm>

namespace ixc {

namespace {

// Of prompt and longest answer; the last token is chosen but never read.
int64_t BlocksOf(const BatchJob& job) {
  return NumKeyBlocks(job.assembled.num_tokens() + job.request.request.generation.max_new_tokens -
                      1);
}

PrefixTree::BlockKeys KeysOfBlock(const BatchJob& job, int64_t block) {
  return PrefixTree::BlockKeys(job.keys.data() + block * kKeyBlock, kKeyBlock);
}

}  // namespace

BatchMemory::BatchMemory(const Pipeline& pipeline, const MemoryLimits& limits)
    : pipeline_(pipeline),
      keep_prefixes_(limits.keep_prefixes),
      pool_(std::make_shared<BlockPool>(pipeline.BlockBytes(), limits.max_blocks)),
      tree_(*pool_),
      picture_cache_(limits.picture_cache_bytes) {}

int64_t BatchMemory::NumPromised() const {
  int64_t blocks = 0;
  for (const BatchJob* job : admitted_)
    blocks += BlocksOf(*job) - job->sequence->cache().num_blocks();
  return blocks;
}

bool BatchMemory::Admit(BatchJob& job) {
  job.sequence.emplace(pipeline_.NewSequence(pool_));
  job.last_shared = tree_.Root(job.request.cache_space);
  job.num_shared = 0;
  int64_t found = Extend(job);
  const int64_t wanted = BlocksOf(job) - job.sequence->cache().num_blocks();
  if (wanted > pool_->num_free() + pool_->num_idle() - NumPromised()) {
    job.sequence.reset();
    return false;
  }
  found += CopyBeginning(job);
  job.result.cached_tokens = found;
  admitted_.push_back(&job);
  TakePictures(job);
  return true;
}

int64_t BatchMemory::Extend(BatchJob& job) {
  Sequence& sequence = *job.sequence;
  // A block may begin a sequence only if that turns its keys by the same angles.
  if (!sequence.CanBecome(job.assembled.num_tokens())) return 0;
  const int64_t before = sequence.length();
  while (sequence.length() == job.num_shared * kKeyBlock &&
         sequence.length() + kKeyBlock < job.assembled.num_tokens()) {
    PrefixTree::Node* const next = tree_.Find(job.last_shared, KeysOfBlock(job, job.num_shared));
    if (next == nullptr) break;
    sequence.cache().Adopt(PrefixTree::BlockOf(next));
    job.last_shared = next;
    ++job.num_shared;
  }
  return sequence.length() - before;
}

// A block's worth at most, from the last full block on.
int64_t BatchMemory::CopyBeginning(BatchJob& job) {
  Sequence& sequence = *job.sequence;
  const int64_t begin = sequence.length();
  const int64_t most = std::min<int64_t>(kKeyBlock - 1, job.assembled.num_tokens() - 1 - begin);
  if (most <= 0 || !sequence.CanBecome(job.assembled.num_tokens())) return 0;
  const auto keys =
      std::span(job.keys).subspan(static_cast<size_t>(begin), static_cast<size_t>(most));
  const PrefixTree::Beginning known = tree_.FindBeginning(job.last_shared, keys);
  if (known.count > 0) sequence.cache().AdoptCopy(known.block, known.count);
  return known.count;
}

void BatchMemory::Share(BatchJob& job) {
  if (!keep_prefixes_) return;
  Sequence& sequence = *job.sequence;
  if (!sequence.CanBecome(std::max(sequence.length(), job.assembled.num_tokens()))) return;
  for (; (job.num_shared + 1) * kKeyBlock <= sequence.length(); ++job.num_shared) {
    const auto index = static_cast<size_t>(job.num_shared);
    BlockRef block = sequence.cache().Block(index);
    job.last_shared = tree_.Insert(job.last_shared, KeysOfBlock(job, job.num_shared), block);
    if (block != sequence.cache().Block(index)) sequence.cache().ReplaceBlock(index, block);
  }
}

void BatchMemory::ShareRest(BatchJob& job) {
  if (!keep_prefixes_ || !job.sequence || job.result.error) return;
  const Sequence& sequence = *job.sequence;
  const int64_t begin = job.num_shared * kKeyBlock;
  const int64_t count = sequence.length() - begin;
  // More than a block: it could not be shared (see Share()).
  if (count <= 0 || count >= kKeyBlock) return;
  if (!sequence.CanBecome(std::max(sequence.length(), job.assembled.num_tokens()))) return;
  const auto keys =
      std::span(job.keys).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  tree_.InsertPartial(job.last_shared, keys,
                      sequence.cache().Block(static_cast<size_t>(job.num_shared)));
}

void BatchMemory::Release(BatchJob& job) {
  ShareRest(job);
  std::erase(admitted_, &job);
  job.sequence.reset();
  job.pictures.clear();
  std::erase_if(in_work_, [](const auto& picture) { return picture.second.expired(); });
}

void BatchMemory::TakePictures(BatchJob& job) {
  job.pictures.resize(job.request.request.images.size());
  job.picture_keys.resize(job.pictures.size());
  for (size_t range = 0; range < job.assembled.image_rows.size(); ++range) {
    const auto [begin, end] = job.assembled.image_rows[range];
    if (end <= job.sequence->length()) continue;
    const auto image = static_cast<size_t>(job.assembled.image_of_rows[range]);
    job.picture_keys[image] = {job.request.cache_space,
                               job.keys[static_cast<size_t>(begin)].picture};
    job.pictures[image] = TakePicture(job, image);
  }
}

std::shared_ptr<PictureEncoding> BatchMemory::TakePicture(BatchJob& job, size_t image) {
  const PictureKey& key = job.picture_keys[image];
  if (auto embeds = picture_cache_.Find(key)) {
    return std::make_shared<PictureEncoding>(std::move(embeds));
  }
  std::weak_ptr<PictureEncoding>& in_work = in_work_[key];
  std::shared_ptr<PictureEncoding> picture = in_work.lock();
  if (picture == nullptr) {
    Request& request = job.request.request;
    picture = std::make_shared<PictureEncoding>(std::move(request.images[image]),
                                                HdNumOf(request, image));
    in_work = picture;
  }
  return picture;
}

void BatchMemory::Keep(const BatchJob& job, const PictureEncoding& picture) {
  for (size_t image = 0; image < job.pictures.size(); ++image) {
    if (job.pictures[image].get() != &picture) continue;
    picture_cache_.Insert(job.picture_keys[image], picture.embeds());
    in_work_.erase(job.picture_keys[image]);
    return;
  }
}

}  // namespace ixc
