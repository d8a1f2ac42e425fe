// How the tensors of the decoder are divided among the ranks of a tensor-parallel run, as the
// original tool set does it:
//
//   wqkv, w1, w3, output      rows (wqkv: whole groups of queries, key and value), with their
//                             deq_scale, quant_bias and Plora_B
//   wo, w2                    columns, with Plora_A; quant_bias is 0 on all ranks but the first
//   everything else           whole on every rank
//
// w1 and w3 of a rank lie under the name w1_w3, w1's rows first; their adapters keep their names.
// formats/running_names.h has what the names become.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/model_config.h"

namespace ixc {

enum class SplitAxis { kNone, kRows, kColumns };
SplitAxis AxisOf(std::string_view tensor);

// Whether this tensor counts on the first rank only: quant_bias of linears whose sums are added up.
bool IsFirstRankOnly(std::string_view tensor);

// [begin, end) of a rank.
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
};
Slice SliceOf(int64_t size, int rank, int num_ranks);

// Throws unless the heads, the MLP and the vocabulary can be divided among so many ranks.
void CheckRanks(const ModelConfig& config, int num_ranks);

// ".feed_forward.w1." as ".feed_forward.w1_w3."; other names as they are.
std::string PackedName(std::string_view tensor);

}  // namespace ixc
