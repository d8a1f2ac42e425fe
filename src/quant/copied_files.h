// The small files that a quantized directory takes over from the one that it is made of.
#pragma once

#include <filesystem>

namespace ixc {

// Tokenizer, generation and configuration files, as the original tool set copies them, and what it
// forgets: special_tokens_map.json and adapter_config.json (from the directory that
// lora_adapter.json names, if it is there).
void CopySmallFiles(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace ixc
