#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/log.h"
#include "cli/options.h"
#include "ixc/error.h"

int main(int argc, char** argv) {
  try {
    const auto parsed = ixc::ParseCommandLine(argc, argv);
    if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    return std::visit([](const auto& options) { return ixc::Run(options); },
                      std::get<ixc::Command>(parsed));
  } catch (const ixc::Interrupted&) {
    return ixc::kInterruptedExitCode;
  } catch (const std::exception& error) {
    ixc::LogError(error.what());
    return 1;
  }
}
