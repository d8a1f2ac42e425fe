// What the requests of a BatchEngine have of memory: blocks of keys and values, what is known of
// prompts that were read before, and embeddings of pictures.
//
// At its admission a request is promised all blocks that its prompt and its longest answer can
// need, less those that it finds. The promise is kept by blocks that are free or that only the
// prefix tree holds, so an admitted request never runs out. Blocks go into the tree as soon as they
// are full, so requests with a common beginning that are read at the same time share the work, and
// the last one when the request ends. Full blocks are shared; where a prompt leaves a known text in
// the midst of a block, that block is copied.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cache/block_pool.h"
#include "cache/picture_cache.h"
#include "cache/prefix_tree.h"
#include "engine/batch_job.h"

namespace ixc {

struct MemoryLimits {
  int64_t max_blocks = 0;
  size_t picture_cache_bytes = 0;
  bool keep_prefixes = true;
};

class BatchMemory {
 public:
  BatchMemory(const Pipeline& pipeline, const MemoryLimits& limits);

  // Gives the job a sequence that begins with what is known of its prompt (but for the last
  // position, whose output is needed) and the pictures that it still needs; false, and nothing is
  // changed, when there are not enough blocks.
  bool Admit(BatchJob& job);
  // Goes on with blocks that others have read in the meantime; returns their positions. Call
  // between the chunks of a prompt.
  int64_t Extend(BatchJob& job);
  // Lets others find the blocks that are full by now.
  void Share(BatchJob& job);
  // Keeps a picture that is done.
  void Keep(const BatchJob& job, const PictureEncoding& picture);
  // Takes back everything the job has. What it read and wrote stays known, but for that of a job
  // that failed.
  void Release(BatchJob& job);

  const BlockPool& pool() const { return *pool_; }
  size_t picture_bytes() const { return picture_cache_.bytes(); }

 private:
  int64_t NumPromised() const;
  int64_t CopyBeginning(BatchJob& job);
  void ShareRest(BatchJob& job);
  void TakePictures(BatchJob& job);
  std::shared_ptr<PictureEncoding> TakePicture(BatchJob& job, size_t image);

  const Pipeline& pipeline_;
  const bool keep_prefixes_;
  std::shared_ptr<BlockPool> pool_;
  PrefixTree tree_;
  PictureCache picture_cache_;
  // Pictures that several requests may wait for.
  std::map<PictureKey, std::weak_ptr<PictureEncoding>> in_work_;
  std::vector<const BatchJob*> admitted_;
};

}  // namespace ixc
