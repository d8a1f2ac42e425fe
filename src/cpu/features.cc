#include "cpu/features.h"

#include <cpuid.h>

#include <cstdlib>

#include "base/error.h"

namespace ixc {
namespace {

// By hand: clang 14's __builtin_cpu_supports does not know the name f16c.
bool HasF16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

}  // namespace

const char* Name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
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
  }
  return false;
}

Isa ParseIsa(std::string_view name) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (name != Name(isa)) continue;
    if (!IsSupported(isa))
      Fail("this machine has no {}; leave --isa out to use the best it has", name);
    return isa;
  }
  Fail("unknown instruction set '{}'; known are scalar, avx2 and avx512", name);
}

Isa BestIsa() {
  if (const char* wanted = std::getenv("IXC_ISA"); wanted != nullptr && *wanted != '\0') {
    return ParseIsa(wanted);
  }
  if (IsSupported(Isa::kAvx512)) return Isa::kAvx512;
  return IsSupported(Isa::kAvx2) ? Isa::kAvx2 : Isa::kScalar;
}

}  // namespace ixc
