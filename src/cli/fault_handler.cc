#include "cli/fault_handler.h"

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/mapped_byte.h"

namespace ixc {

namespace {

// A line put together without allocation and without anything else that a signal handler may not
// call. What does not fit is left out.
class SignalSafeLine {
 public:
  void Add(const char* text) {
    while (*text != '\0' && size_ + 1 < sizeof(text_)) {
      const auto c = static_cast<unsigned char>(*text++);
      text_[size_++] = c < 0x20 || c == 0x7f ? '?' : static_cast<char>(c);
    }
  }
  void Add(size_t number) {
    char digits[24];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    Add(digits + at);
  }
  void Write() {
    text_[size_++] = '\n';
    size_t done = 0;
    while (done < size_) {
      const ssize_t count = ::write(STDERR_FILENO, text_ + done, size_ - done);
      if (count <= 0) return;
      done += static_cast<size_t>(count);
    }
  }

 private:
  char text_[1024];
  size_t size_ = 0;
};

[[noreturn]] void OnBusError(int, siginfo_t* info, void*) {
  SignalSafeLine line;
  line.Add("error: ");
  const MappedByte byte = FindMappedByte(info->si_addr);
  if (byte.path == nullptr) {
    line.Add("memory that the system promised is not there (SIGBUS); is a disk full or broken?");
  } else {
    line.Add(byte.path);
    line.Add(": byte ");
    line.Add(byte.offset);
    line.Add(" of ");
    line.Add(byte.size);
    line.Add(
        " can no longer be read: the file was cut shorter or replaced in place while in use, or ");
    line.Add("its disk fails; leave it alone during a run, check it with 'ixc inspect --verify'");
  }
  line.Write();
  ::_exit(1);
}

}  // namespace

void InstallFaultHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
  // A file that outgrows the user's limit is then an error of write(), which names it.
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace ixc
