#include "quant/tp_split.h"

#include "base/error.h"

namespace ixc {
namespace {

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

bool IsRowSplit(std::string_view tensor) {
  return Contains(tensor, ".attention.wqkv.") || Contains(tensor, ".feed_forward.w1.") ||
         Contains(tensor, ".feed_forward.w3.") || tensor == "output.weight";
}

bool IsColumnSplit(std::string_view tensor) {
  return Contains(tensor, ".attention.wo.") || Contains(tensor, ".feed_forward.w2.");
}

}  // namespace

SplitAxis AxisOf(std::string_view tensor) {
  if (Contains(tensor, ".Plora_A.")) {
    return IsColumnSplit(tensor) ? SplitAxis::kColumns : SplitAxis::kNone;
  }
  if (tensor.ends_with(".input_scale") || tensor.ends_with(".input_offset")) {
    return SplitAxis::kNone;
  }
  if (IsRowSplit(tensor)) return SplitAxis::kRows;
  const bool is_weight = tensor.ends_with(".weight") && !Contains(tensor, ".Plora_");
  return IsColumnSplit(tensor) && is_weight ? SplitAxis::kColumns : SplitAxis::kNone;
}

bool IsFirstRankOnly(std::string_view tensor) {
  return IsColumnSplit(tensor) && tensor.ends_with(".quant_bias");
}

Slice SliceOf(int64_t size, int rank, int num_ranks) {
  return {size * rank / num_ranks, size * (rank + 1) / num_ranks};
}

void CheckRanks(const ModelConfig& config, int num_ranks) {
  const auto check = [num_ranks](int64_t size, const char* what) {
    if (size % num_ranks == 0) return;
    Fail("{} {} cannot be divided among {} ranks", size, what, num_ranks);
  };
  check(config.num_kv_heads, "groups of heads");
  check(config.intermediate_size, "rows of the MLP");
  check(config.vocab_size, "rows of the head");
}

std::string PackedName(std::string_view tensor) {
  std::string name(tensor);
  const std::string_view w1 = ".feed_forward.w1.";
  if (const size_t at = name.find(w1); at != name.npos && !Contains(name, "Plora_")) {
    name.replace(at, w1.size(), ".feed_forward.w1_w3.");
  }
  return name;
}

}  // namespace ixc
