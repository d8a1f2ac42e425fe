// Which instruction set the kernels may use.
#pragma once

#include <string_view>

namespace ixc {

// Each one includes those before it. kAvx2 means AVX2 + FMA + F16C; kAvx512 means F, BW, DQ, VL.
enum class Isa { kScalar, kAvx2, kAvx512 };

const char* Name(Isa isa);

// The best one that this machine has and the environment variable IXC_ISA (if set) allows.
// Throws ixc::Error when IXC_ISA names no instruction set or one that the machine lacks.
Isa BestIsa();

// What the processor and the operating system support, whatever IXC_ISA says.
bool IsSupported(Isa isa);

// "scalar", "avx2", "avx512"; anything else, or one the machine lacks, is an error that lists them.
Isa ParseIsa(std::string_view name);

}  // namespace ixc
