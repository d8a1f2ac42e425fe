#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/fault_handler.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/options.h"

namespace {

// What is still in the buffers is part of the job: a full disk behind `>` is an error.
void FlushOutput() {
  if (std::fflush(stdout) != 0) {
    ixc::Fail("standard output: cannot be written: {}; text is lost", std::strerror(errno));
  }
  if (std::ferror(stdout) != 0) {
    ixc::Fail("standard output: an earlier write failed, text is lost; is the disk full?");
  }
}

int RunProgram(int argc, char** argv) {
  const auto parsed = ixc::ParseCommandLine(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const int exit_code = std::visit([](const auto& options) { return ixc::Run(options); },
                                   std::get<ixc::Command>(parsed));
  FlushOutput();
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  ixc::InstallFaultHandler();
  try {
    return RunProgram(argc, argv);
  } catch (const ixc::Interrupted&) {
    return ixc::kInterruptedExitCode;
  } catch (const std::bad_alloc&) {
    ixc::LogError(
        "out of memory: the system gives no more; 'ixc inspect' shows what a model needs, --scheme "
        "w8a8d or w4 and a smaller --hd-num need less, --max-memory refuses beforehand");
  } catch (const std::exception& error) {
    ixc::LogError(error.what());
  }
  return 1;
}
