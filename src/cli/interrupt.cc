#include "cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace ixc {

namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnInterrupt(int signal) {
  g_interrupted.store(true);
  std::signal(signal, SIG_DFL);
}

}  // namespace

void CatchInterrupts() { std::signal(SIGINT, OnInterrupt); }
bool IsInterrupted() { return g_interrupted.load(); }

void ThrowIfInterrupted() {
  if (IsInterrupted()) throw Interrupted();
}

}  // namespace ixc
