// Giving memory back that a mapped file can fill again.
#pragma once

#include <cstddef>
#include <span>

namespace ixc {

// Whole pages of a mapping that are not needed for now leave this process's memory; touched again,
// they come back from the file. Read-only file mappings only: elsewhere contents would be lost.
void ReleasePages(std::span<const std::byte> mapped);

}  // namespace ixc
