// The only file that sees spdlog.
#include "cli/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/printable.h"

namespace ixc {

namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto logger =
        std::make_shared<spdlog::logger>("ixc", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::warn);
    return logger;
  }();
  return *kLogger;
}

}  // namespace

void SetLogLevel(const std::string& level) { Logger().set_level(spdlog::level::from_str(level)); }

void LogInfo(std::string_view message) { Logger().info("{}", Printable(message)); }
void LogNotice(std::string_view message) { Logger().warn("{}", Printable(message)); }
void LogWarning(std::string_view message) { Logger().warn("warning: {}", Printable(message)); }
void LogError(std::string_view message) { Logger().error("error: {}", Printable(message)); }

}  // namespace ixc
