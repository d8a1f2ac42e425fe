// AMX for tests on a processor that has none.
//
// There every AMX instruction raises SIGILL; the handler installed here performs it on tiles kept
// in memory (each thread has its own) and goes on behind it. All of amx-tile, amx-int8 and amx-bf16
// is there. What hardware answers with #GP or #UD (a bad configuration, a tile not configured,
// shapes that do not fit) ends the program with a message. A SIGILL from any other instruction goes
// to the handler that was there before.
//
// Integers are exact, modulo 2^32. tdpbf16ps follows the pseudocode of Intel's manual and was not
// compared with hardware.
#pragma once

#include <cstdint>

namespace ixc {

// Once for the whole process; later calls do nothing. False: the processor lacks AVX2 and FMA,
// which the handler itself uses.
bool InstallAmxTrap();

// Instructions performed so far in the calling thread: the proof that an AMX path was taken.
uint64_t AmxTrapCount();

}  // namespace ixc
