#include "cli/interrupt.h"

#include <poll.h>

#include <atomic>
#include <cerrno>
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

void Install() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void CatchInterrupts(SecondInterrupt second) {
  g_second_ends_program.store(second == SecondInterrupt::kEndsProgram);
  Install();
}

bool IsInterrupted() { return g_interrupted.load(); }

void ForgetInterrupt() {
  g_interrupted.store(false);
  Install();
}

bool WaitReadable(int file) {
  sigset_t interrupt;
  sigset_t before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  int ready = 0;
  while (!IsInterrupted() && ready <= 0) {
    pollfd wait = {file, POLLIN, 0};
    ready = ppoll(&wait, 1, nullptr, &before);  // lets the signal in only while it waits
    if (ready < 0 && errno != EINTR) break;     // the read that follows says what is wrong
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !IsInterrupted();
}

void ThrowIfInterrupted() {
  if (IsInterrupted()) throw Interrupted();
}

}  // namespace ixc
