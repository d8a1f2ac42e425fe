#include "cli/line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "cli/interrupt.h"

namespace ixc {

namespace {

constexpr int kRememberedLines = 1000;

// "" where there is no place for it.
std::string HistoryPath() {
  namespace fs = std::filesystem;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state != nullptr && *state != '\0') {
    folder = state;
  } else if (home != nullptr && *home != '\0') {
    folder = fs::path(home) / ".local" / "state";
  } else {
    return "";
  }
  std::error_code error;
  fs::create_directories(folder / "ixc", error);
  const std::string path = (folder / "ixc" / "history").string();
  // Questions are private: libedit would create the file for everybody to read.
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return "";
  ::close(file);
  return path;
}

// How libedit gets a character: 1, 0 at the end of the input, or -1. Its own way starts a read that
// a Ctrl-C of a moment before no longer ends.
int ReadCharacter(EditLine*, wchar_t* character) {
  std::mbstate_t state = {};
  while (true) {
    if (!WaitReadable(STDIN_FILENO)) {
      errno = EINTR;
      return -1;
    }
    char byte = 0;
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count <= 0) return static_cast<int>(count);
    const size_t used = std::mbrtowc(character, &byte, 1, &state);
    if (used == static_cast<size_t>(-2)) continue;  // a part of a character
    if (used != static_cast<size_t>(-1)) return 1;
    state = {};  // not text in this locale: drop it
  }
}

}  // namespace

class LineEditor::Terminal {
 public:
  explicit Terminal(std::string prompt) : prompt_(std::move(prompt)), path_(HistoryPath()) {
    std::setlocale(LC_CTYPE, "");  // the width of typed characters
    editor_ = el_init("ixc", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kRememberedLines);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!path_.empty()) history(history_, &event, H_LOAD, path_.c_str());
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Terminal::Prompt);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_GETCFN, &ReadCharacter);
    el_source(editor_, nullptr);  // ~/.editrc
  }

  ~Terminal() {
    HistEvent event;
    if (!path_.empty()) history(history_, &event, H_SAVE, path_.c_str());
    history_end(history_);
    el_end(editor_);
  }

  Outcome Read(std::string& line) {
    int count = 0;
    // Before the prompt is shown, not at the first key as el_gets() does: a Ctrl-D typed in between
    // would be the terminal driver's and get lost.
    el_set(editor_, EL_PREP_TERM, 1);
    const char* typed = el_gets(editor_, &count);
    if (IsInterrupted()) {
      el_reset(editor_);
      return Outcome::kInterrupted;
    }
    if (typed == nullptr || count <= 0) return Outcome::kEnd;
    line.assign(typed, static_cast<size_t>(count));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    if (line.find_first_not_of(' ') != std::string::npos) {
      HistEvent event;
      history(history_, &event, H_ENTER, line.c_str());
    }
    return Outcome::kLine;
  }

 private:
  static char* Prompt(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return static_cast<Terminal*>(self)->prompt_.data();
  }

  std::string prompt_;
  std::string path_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
};

LineEditor::LineEditor(std::string prompt) {
  if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) {
    terminal_ = std::make_unique<Terminal>(std::move(prompt));
  }
}

LineEditor::~LineEditor() = default;

LineEditor::Outcome LineEditor::Read(std::string& line) {
  if (terminal_ != nullptr) return terminal_->Read(line);
  if (IsInterrupted() || !std::getline(std::cin, line)) return Outcome::kEnd;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return Outcome::kLine;
}

}  // namespace ixc
