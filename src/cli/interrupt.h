// Ctrl-C: the first one asks the running job to stop at its next step, the second one ends the
// program.
#pragma once

#include "ixc/error.h"

namespace ixc {

// Exit code of a job that Ctrl-C ended: 128 + SIGINT, as shells expect.
constexpr int kInterruptedExitCode = 130;

// Installs the handler; call once before long work.
void CatchInterrupts();
bool IsInterrupted();

// Thrown where a job has no answer to hand over yet; main() turns it into the exit code.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted") {}
};
void ThrowIfInterrupted();

}  // namespace ixc
