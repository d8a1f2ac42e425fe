// Which instruction set the kernels may use.
#pragma once

#include <string_view>

namespace ixc {

// Each one includes those before it. kAvx2 means AVX2 + FMA + F16C; kAvx512 means F, BW, DQ, VL;
// kAmx means tiles with their int8 and bf16 products.
enum class Isa { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAmx };

constexpr Isa kAllIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAmx};

const char* Name(Isa isa);

// The best one that this machine has and the environment variable IXC_ISA (if set) allows.
// Throws ixc::Error when IXC_ISA names no instruction set or one that the machine lacks.
Isa BestIsa();

// What the processor and the operating system support, whatever IXC_ISA says. The first question
// about kAmx asks the system to let this process use tiles.
bool IsSupported(Isa isa);

// For tests that catch and perform AMX instructions themselves (tests/emulation/): from now on
// kAmx counts as supported where the rest of it (AVX-512 with VNNI) is.
void AssumeAmx();

// "scalar", "avx2", "avx512", "avx512vnni", "amx"; anything else, or one the machine lacks, is an
// error that lists them.
Isa ParseIsa(std::string_view name);

// The one that a user named, or the best one for an empty name.
Isa ChooseIsa(std::string_view name);

}  // namespace ixc
