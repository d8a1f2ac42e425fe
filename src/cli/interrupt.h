// Ctrl-C: the first one asks the running job to stop at its next step, the second one ends the
// program. In a conversation no number of them ends the program.
#pragma once

#include "ixc/error.h"

namespace ixc {

// Exit code of a job that Ctrl-C ended: 128 + SIGINT, as shells expect.
constexpr int kInterruptedExitCode = 130;

enum class SecondInterrupt { kEndsProgram, kIsIgnored };

// Installs the handler; call once before long work.
void CatchInterrupts(SecondInterrupt second = SecondInterrupt::kEndsProgram);
bool IsInterrupted();
// The next Ctrl-C counts as the first one again.
void ForgetInterrupt();

// Waits until `file` can be read. False when Ctrl-C came, also when it came before the call: the
// question and the wait are one step, so no Ctrl-C falls between them.
bool WaitReadable(int file);

// Thrown where a job has no answer to hand over yet; main() turns it into the exit code.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};
void ThrowIfInterrupted();

}  // namespace ixc
