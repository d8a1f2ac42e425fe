// Telling people what they have when it is no InternLM-XComposer2.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"

namespace ixc {

// What ends every error about another model.
inline constexpr const char* kModelsThatRun =
    "ixc runs InternLM-XComposer2-VL-7B and InternLM-XComposer2-4KHD-7B (and models of their form)";

// What a checkpoint's tensor names and shapes say that it is ("a LLaVA-like model …"), with what to
// do if there is something; empty for an XComposer2 and for what is unknown.
std::optional<std::string> IdentifyForeignModel(const Checkpoint& checkpoint, int64_t patch_size);

}  // namespace ixc
