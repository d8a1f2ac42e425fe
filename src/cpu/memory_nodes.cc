#include "cpu/memory_nodes.h"

#include <sched.h>

#include <charconv>
#include <fstream>
#include <string>

namespace ixc {
namespace {

using Cores = std::vector<int>;

// Cores that this process may use, by node. Empty when the system does not tell.
std::vector<Cores> UsableCoresByNode() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0) return {};
  std::vector<Cores> nodes;
  for (int node = 0;; ++node) {
    std::ifstream file("/sys/devices/system/node/node" + std::to_string(node) + "/cpulist");
    std::string line;
    if (!std::getline(file, line)) return nodes;
    Cores cores;
    for (int core : ParseCoreList(line)) {
      if (core < CPU_SETSIZE && CPU_ISSET(core, &usable)) cores.push_back(core);
    }
    if (!cores.empty()) nodes.push_back(std::move(cores));
  }
}

}  // namespace

std::vector<int> ParseCoreList(std::string_view text) {
  constexpr int kMostCores = 1 << 16;
  std::vector<int> cores;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int first = 0;
    auto [stop, code] = std::from_chars(at, end, first);
    if (code != std::errc{}) break;
    int last = first;
    if (stop < end && *stop == '-') {
      const auto [after, range_code] = std::from_chars(stop + 1, end, last);
      if (range_code != std::errc{}) break;
      stop = after;
    }
    if (first < 0 || last < first || last >= kMostCores) break;
    for (int core = first; core <= last; ++core) cores.push_back(core);
    if (stop == end || *stop != ',') break;
    at = stop + 1;
  }
  return cores;
}

void KeepToMemoryNode(int thread) {
  static const std::vector<Cores> nodes = UsableCoresByNode();
  if (nodes.size() < 2) return;
  size_t place = static_cast<size_t>(thread);
  for (const Cores& cores : nodes) {
    if (place < cores.size()) {
      cpu_set_t set;
      CPU_ZERO(&set);
      for (int core : cores) CPU_SET(static_cast<size_t>(core), &set);
      sched_setaffinity(0, sizeof(set), &set);  // a wish: without it only the speed differs
      return;
    }
    place -= cores.size();
  }
}

}  // namespace ixc
