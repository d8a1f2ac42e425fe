// Names of tensors in directories that are split for a tensor-parallel run. The original tool set
// writes them with the names of the running model: "language_model." before the decoder's, and
// lm_head for the head.
#pragma once

#include <string>
#include <string_view>

namespace ixc {

// "output.weight" -> "language_model.lm_head.weight"
std::string RunningName(std::string_view tensor);
// The way back; other names stay as they are.
std::string CheckpointName(std::string_view running);

}  // namespace ixc
