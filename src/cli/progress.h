// Progress of long work: a bar on a terminal, a plain line per tenth elsewhere when it takes long.
#pragma once

#include <chrono>
#include <string>

namespace ixc {

class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // stage: a short phrase such as "loading weights"; share 0 … 1. A new stage begins a new bar;
  // share 1 ends it.
  void Update(const char* stage, double share);

  // Removes a bar that is on screen, so that something else can be printed.
  void Clear();

 private:
  void Draw(double share, double seconds);
  void PrintLine(double share, double seconds);

  bool is_terminal_;
  bool is_drawn_ = false;
  std::string stage_;
  int last_tenth_ = 0;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point last_drawn_;
};

}  // namespace ixc
