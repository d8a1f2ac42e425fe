#include "cli/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"

namespace ixc {

namespace {

constexpr int kBarWidth = 30;
// Work that is done sooner shows nothing.
constexpr double kQuietSeconds = 0.5;
constexpr double kRedrawSeconds = 0.1;
// Without a terminal only work of this length prints lines.
constexpr double kQuietSecondsInLogs = 5.0;

}  // namespace

Progress::Progress() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { Clear(); }

void Progress::Update(const char* stage, double share) {
  if (stage_ != stage) {
    Clear();
    stage_ = stage;
    last_tenth_ = 0;
    begin_ = last_drawn_ = std::chrono::steady_clock::now();
  }
  const double seconds = SecondsSince(begin_);
  if (is_terminal_) {
    Draw(share, seconds);
  } else {
    PrintLine(share, seconds);
  }
}

void Progress::Draw(double share, double seconds) {
  if (share >= 1.0) {
    Clear();
    return;
  }
  if (seconds < kQuietSeconds || (is_drawn_ && SecondsSince(last_drawn_) < kRedrawSeconds)) return;
  last_drawn_ = std::chrono::steady_clock::now();
  is_drawn_ = true;
  const int filled = static_cast<int>(share * kBarWidth);
  const std::string remaining =
      share > 0.02 ? fmt::format("{:.0f} s left", seconds / share * (1 - share)) : "";
  fmt::print(stderr, "\r\033[K{} [{:#<{}}{: <{}}] {:3.0f} % {}", stage_, "", filled, "",
             kBarWidth - filled, share * 100, remaining);
  std::fflush(stderr);
}

void Progress::PrintLine(double share, double seconds) {
  const int tenth = static_cast<int>(share * 10);
  if (seconds < kQuietSecondsInLogs || tenth <= last_tenth_) return;
  last_tenth_ = tenth;
  fmt::print(stderr, "{}: {} % after {:.0f} s\n", stage_, tenth * 10, seconds);
}

void Progress::Clear() {
  if (!is_drawn_) return;
  is_drawn_ = false;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace ixc
