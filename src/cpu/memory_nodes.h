// The machine's memory nodes (NUMA): which cores stand beside which memory.
#pragma once

#include <string_view>
#include <vector>

namespace ixc {

// "0-3,8" -> {0, 1, 2, 3, 8}, as the files in /sys/devices/system/node/node*/cpulist are written.
// What is malformed ends the list.
std::vector<int> ParseCoreList(std::string_view text);

// Lets the calling thread run only on the cores of one memory node, the one that worker `thread`
// of a pool belongs to when workers fill node after node. Does nothing on a machine with one node,
// or where the process may not use that node's cores.
void KeepToMemoryNode(int thread);

}  // namespace ixc
