#include "cpu/features.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "base/error.h"

namespace ixc {
namespace {

// By hand: clang 14's __builtin_cpu_supports does not know the name f16c.
bool HasF16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// Whether the operating system saves tiles when it switches threads: both of their parts in XCR0.
bool SavesTiles() {
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSXSAVE) == 0) return false;
  constexpr unsigned kTileState = 1u << 17 | 1u << 18;
  asm("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));  // _xgetbv would want -mxsave
  return (eax & kTileState) == kTileState;
}

// Tiles and their int8 and bf16 products, with the system's leave for this process: Linux gives the
// large tile state only to those who ask.
bool HasAmx() {
  constexpr unsigned kTileInt8Bf16 = 1u << 24 | 1u << 25 | 1u << 22;
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kTileInt8Bf16) != kTileInt8Bf16 || !SavesTiles()) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::atomic<bool> assume_amx{false};

}  // namespace

const char* Name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

bool IsSupported(Isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Vnni:
      return avx512 && __builtin_cpu_supports("avx512vnni");
    case Isa::kAmx: {
      static const bool amx = HasAmx();
      return avx512 && __builtin_cpu_supports("avx512vnni") && (amx || assume_amx);
    }
  }
  return false;
}

void AssumeAmx() { assume_amx = true; }

Isa ParseIsa(std::string_view name) {
  for (Isa isa : kAllIsas) {
    if (name != Name(isa)) continue;
    if (!IsSupported(isa))
      Fail("this machine has no {}; leave --isa out to use the best it has", name);
    return isa;
  }
  Fail("unknown instruction set '{}'; known are scalar, avx2, avx512, avx512vnni and amx", name);
}

Isa BestIsa() {
  if (const char* wanted = std::getenv("IXC_ISA"); wanted != nullptr && *wanted != '\0') {
    return ParseIsa(wanted);
  }
  Isa best = Isa::kScalar;
  for (Isa isa : kAllIsas) {
    if (IsSupported(isa)) best = isa;
  }
  return best;
}

Isa ChooseIsa(std::string_view name) { return name.empty() ? BestIsa() : ParseIsa(name); }

}  // namespace ixc
