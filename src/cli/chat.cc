// ixc chat: a conversation about pictures. What was read for one question is kept for the next.
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/log.h"
#include "cli/progress.h"
#include "cli/request_builder.h"
#include "cli/saved_conversation.h"
#include "cli/stats_line.h"
#include "image/hd_geometry.h"
#include "text/chat_template.h"

namespace ixc {

namespace {

constexpr const char* kHelp =
    "  /image FILE [HD_NUM]  show a picture with the next question\n"
    "  /drop                 take back the pictures that no question was asked about yet\n"
    "  /save FILE            write the conversation; --history FILE goes on from there\n"
    "  /stats                tokens and speed of the last answer\n"
    "  /reset                begin a new conversation\n"
    "  /quit                 leave (Ctrl-D does, too)\n"
    "Ctrl-C stops an answer. Anything else is a question.\n";

class Chat {
 public:
  Chat(const ChatOptions& options, Engine& engine, Progress& progress)
      : options_(options), engine_(engine), progress_(progress), editor_("> ") {
    SavedConversation saved;
    if (!options.prompt.history_file.empty()) {
      saved = ReadConversation(options.prompt.history_file);
    }
    Begin(saved);
    AddPictures(options.prompt.images, options.prompt, request_);
    for (const std::string& file : options.prompt.images) files_.push_back(file);
  }

  // Until the user leaves. Returns the exit code: without a terminal nobody sees an error go by.
  int Talk() {
    if (editor_.is_terminal()) fmt::print("Ask about a picture; /help shows the commands.\n");
    bool all_well = true;
    bool was_interrupted = false;
    std::string line;
    while (true) {
      ForgetInterrupt();
      const LineEditor::Outcome outcome = editor_.Read(line);
      if (outcome == LineEditor::Outcome::kEnd) break;
      if (outcome == LineEditor::Outcome::kInterrupted) {
        fmt::print("{}\n", was_interrupted ? "\n(Ctrl-D or /quit leaves)" : "");
        was_interrupted = true;
        continue;
      }
      was_interrupted = false;
      try {
        if (!Handle(line)) break;
      } catch (const Error& error) {
        progress_.Clear();
        LogError(error.what());
        all_well = false;
      }
    }
    if (editor_.is_terminal()) fmt::print("\n");
    return all_well || editor_.is_terminal() ? 0 : 1;
  }

 private:
  // A conversation that consists of `saved`.
  void Begin(const SavedConversation& saved) {
    PromptOptions options = options_.prompt;
    options.history_file.clear();
    request_ = ToRequest(options, ImageMarks::kStrict);
    ContinueConversation(saved, options, request_);
    files_.clear();
    for (const auto& picture : saved.pictures) files_.push_back(picture.file);
    num_asked_ = files_.size();
    conversation_ = Conversation();
    last_.reset();
  }

  // False when the user leaves.
  bool Handle(const std::string& line) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos) return true;
    if (line[begin] != '/') {
      Ask(line);
      return true;
    }
    std::istringstream words(line.substr(begin + 1));
    std::string command;
    words >> command >> std::ws;
    std::string argument;
    std::getline(words, argument);
    argument.erase(argument.find_last_not_of(" \t") + 1);
    if (command == "quit" || command == "exit") return false;
    RunCommand(command, argument);
    return true;
  }

  void RunCommand(const std::string& command, const std::string& argument) {
    if (command == "help") {
      fmt::print("{}", kHelp);
    } else if (command == "image") {
      Attach(argument);
    } else if (command == "drop") {
      Drop();
    } else if (command == "save") {
      Save(argument);
    } else if (command == "stats") {
      fmt::print("{}\n", last_ ? StatsLine(*last_) : "no answer yet");
    } else if (command == "reset") {
      Begin({});
      fmt::print("a new conversation\n");
    } else {
      Fail("there is no command /{}; /help shows them", command);
    }
  }

  // FILE, or FILE and an hd number; file names may hold blanks.
  void Attach(const std::string& argument) {
    if (argument.empty()) Fail("no picture given; for example: /image photo.jpg");
    std::string file = argument;
    int hd_num = options_.prompt.hd_num.size() == 1 ? options_.prompt.hd_num[0] : kDefaultHdNum;
    const size_t blank = argument.find_last_of(' ');
    if (blank != std::string::npos && !std::filesystem::exists(argument) &&
        argument.find_first_not_of("0123456789", blank + 1) == std::string::npos) {
      file = argument.substr(0, argument.find_last_not_of(' ', blank) + 1);
      const std::string number = argument.substr(blank + 1);
      hd_num = number.size() <= 4 ? std::stoi(number) : kMaxHdNum + 1;
      if (hd_num < 1 || hd_num > kMaxHdNum) {
        Fail("an hd number is 1 to {}, found {}", kMaxHdNum, number);
      }
    }
    AddPicture(file, hd_num, options_.prompt, request_);
    files_.push_back(file);
    const Image& image = request_.images.back();
    fmt::print("{}: {} x {} pixels, goes with the next question\n", file, image.width,
               image.height);
  }

  void Drop() {
    fmt::print("{} taken back\n", files_.size() - num_asked_);
    files_.resize(num_asked_);
    request_.images.resize(num_asked_);
    request_.hd_num.resize(num_asked_);
  }

  void Save(const std::string& path) {
    if (path.empty()) Fail("no file given; for example: /save talk.json");
    SavedConversation saved;
    saved.system = request_.system;
    saved.turns = request_.history;
    for (size_t i = 0; i < num_asked_; ++i)
      saved.pictures.push_back({files_[i], request_.hd_num[i]});
    WriteConversation(path, saved);
    fmt::print("{} turns written to {}\n", saved.turns.size(), path);
  }

  // A turn counts once something of its answer was shown, also when Ctrl-C cut it short: what the
  // screen shows is what the model remembers. Before that nothing has happened.
  void Ask(const std::string& question) {
    const int num_new = static_cast<int>(files_.size() - num_asked_);
    request_.query = WithImageMarks(question, {}, num_new);
    GenerationEvents events;
    events.on_text = [&](std::string_view text) {
      progress_.Clear();
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
    events.on_progress = [&](const char* stage, double share) { progress_.Update(stage, share); };
    events.is_cancelled = IsInterrupted;
    Result result = engine_.Generate(request_, conversation_, events);
    progress_.Clear();
    const bool cut = result.finish_reason == FinishReason::kCancelled;
    fmt::print("{}\n", cut ? " (stopped)" : "");
    if (cut && result.text.empty()) return;
    request_.history.emplace_back(request_.query, result.text);
    num_asked_ = files_.size();
    last_ = std::move(result);
    if (options_.stats || options_.prompt.generation.speculate) {
      fmt::print(stderr, "{}\n", StatsLine(*last_));
    }
  }

  const ChatOptions& options_;
  Engine& engine_;
  Progress& progress_;
  LineEditor editor_;
  Request request_;                 // its history and pictures are the conversation's
  std::vector<std::string> files_;  // of request_.images
  size_t num_asked_ = 0;            // pictures that belong to the history
  Conversation conversation_;
  std::optional<Result> last_;
};

}  // namespace

int Run(const ChatOptions& options) {
  CatchInterrupts();
  Progress progress;
  const EngineOptions engine_options = ToEngineOptions(options.model, progress);
  Engine engine = Engine::Load(engine_options);
  progress.Clear();
  Chat chat(options, engine, progress);
  CatchInterrupts(SecondInterrupt::kIsIgnored);
  return chat.Talk();
}

}  // namespace ixc
