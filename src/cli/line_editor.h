// Lines that a user types: with editing and history on a terminal, as they are elsewhere.
#pragma once

#include <memory>
#include <string>

namespace ixc {

class LineEditor {
 public:
  // `prompt` is shown before each line on a terminal. Lines are remembered from one run to the next
  // in $XDG_STATE_HOME/ixc/history (~/.local/state without that variable), readable by the user
  // only; where that cannot be written they are not.
  explicit LineEditor(std::string prompt);
  ~LineEditor();

  enum class Outcome {
    kLine,
    kInterrupted,  // Ctrl-C: what was typed so far is dropped
    kEnd,          // Ctrl-D, or the end of the input
  };
  // The line without its newline.
  Outcome Read(std::string& line);

  bool is_terminal() const { return terminal_ != nullptr; }

 private:
  class Terminal;
  std::unique_ptr<Terminal> terminal_;  // none: standard input is no terminal
};

}  // namespace ixc
