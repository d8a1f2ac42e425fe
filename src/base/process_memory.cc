#include "base/process_memory.h"

#include <sys/resource.h>

#include <cstdio>

namespace ixc {

void ResetPeakMemory() {
  if (std::FILE* file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

uint64_t PeakMemoryBytes() {
  char line[256];
  unsigned long long kilobytes = 0;
  if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
    while (std::fgets(line, sizeof line, file) != nullptr) {
      if (std::sscanf(line, "VmHWM: %llu kB", &kilobytes) == 1) break;
    }
    std::fclose(file);
  }
  if (kilobytes == 0) {  // no /proc: the peak of the whole process
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    kilobytes = static_cast<unsigned long long>(usage.ru_maxrss);
  }
  return kilobytes * 1024;
}

}  // namespace ixc
