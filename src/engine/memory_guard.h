// What a run will take of memory, from headers and sizes alone, and its refusal before anything is
// allocated when that is more than the user allows.
#pragma once

#include <cstdint>
#include <string>

#include "formats/weight_directory.h"
#include "ixc/engine.h"
#include "kernels/attention/attention.h"

namespace ixc {

class MemoryGuard {
 public:
  // No limit.
  MemoryGuard() = default;
  // Of the model in `weights`, loaded as `options` say. Throws when its weights alone are over
  // options.max_memory; before that, options.on_memory_plan hears of the plan for the longest
  // prompt.
  MemoryGuard(const WeightDirectory& weights, const EngineOptions& options);

  struct Request {
    int64_t positions = 0;  // of prompt and answer
    int64_t sequences = 1;  // that keep keys and values of their own: beams
    uint64_t other = 0;     // bytes: pictures and activations
  };
  // Bytes that the weights leave; the largest number when there is no limit.
  uint64_t Left() const;
  // Throws, naming the parts of the sum and what makes it smaller, when the request is over the
  // limit. `kv` is that of the run, `num_layers` the decoder's.
  void Check(const Request& request, const KvShape& kv, int64_t num_layers) const;

 private:
  uint64_t limit_ = 0;  // bytes; 0: none
  uint64_t weights_ = 0;
};

}  // namespace ixc
