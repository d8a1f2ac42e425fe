// Runs the kernel tests of the static program; AMX instructions are performed by amx_trap.h where
// the processor has none, so that no row of a kernel table is left out for want of them.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>

#include "cpu/features.h"
#include "emulation/amx_trap.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const bool native = ixc::IsSupported(ixc::Isa::kAmx);
  if (!native && ixc::InstallAmxTrap()) ixc::AssumeAmx();
  const int result = RUN_ALL_TESTS();
  if (native) {
    std::printf("AMX: the processor's own\n");
  } else {
    std::printf("AMX: %" PRIu64 " instructions emulated\n", ixc::AmxTrapCount());
  }
  return result;
}
