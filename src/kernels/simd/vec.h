// Vec, sixteen floats, for the instruction set that the including file is compiled for
// (cmake/options.cmake goes by the file's name).
#pragma once

#if defined(__AVX512F__)
#include "kernels/simd/vec_avx512.h"
#elif defined(__AVX2__)
#include "kernels/simd/vec_avx2.h"
#else
#include "kernels/simd/vec_scalar.h"
#endif
