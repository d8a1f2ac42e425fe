#include "cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace ixc {

namespace {

std::atomic<bool> g_interrupted{false};
std::atomic<bool> g_second_ends_program{true};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnInterrupt(int signal) {
  g_interrupted.store(true);
  if (g_second_ends_program.load()) std::signal(signal, SIG_DFL);
}

void Install(int flags) {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void CatchInterrupts(SecondInterrupt second) {
  g_second_ends_program.store(second == SecondInterrupt::kEndsProgram);
  Install(SA_RESTART);
}

bool IsInterrupted() { return g_interrupted.load(); }

void ForgetInterrupt() {
  g_interrupted.store(false);
  Install(SA_RESTART);
}

InterruptibleRead::InterruptibleRead() { Install(0); }
InterruptibleRead::~InterruptibleRead() { Install(SA_RESTART); }

void ThrowIfInterrupted() {
  if (IsInterrupted()) throw Interrupted();
}

}  // namespace ixc
