// Languages of bytes with nesting: which byte may come next, and whether the text may end here.
//
// A grammar is a small program. Threads of it run side by side, each with a program counter and a
// stack; a thread that stands at a range of bytes goes on if the next byte is in it, all others of
// that step end. GrammarRun makes a deterministic automaton of that while it is used: a set of
// threads is a state, and a state's successor for a byte is looked up after it was found once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

namespace ixc {

class ByteGrammar {
 public:
  enum class Op : uint8_t {
    kMatch,   // the text may end
    kRange,   // a byte in low..high, then `next`
    kSplit,   // `next` and `other` side by side
    kCall,    // `next`, which comes back to `other`
    kReturn,  // to where the call says
    kBegin,   // begins to count, then `next`, which is a kCount
    kCount,   // `next` once more and back here, or, after `min` times, on to `other`
  };
  struct Instruction {
    Op op = Op::kMatch;
    uint8_t low = 0;
    uint8_t high = 0;
    bool nests = false;  // a call that is not made when kMaxNesting of them are open
    int32_t next = 0;
    int32_t other = 0;
    int32_t min = 0;
    int32_t max = 0;  // -1: no bound
  };
  static constexpr int kMaxNesting = 32;
  static constexpr size_t kMaxInstructions = 200'000;

  const std::vector<Instruction>& code() const { return code_; }
  int32_t start() const { return start_; }

 private:
  friend class GrammarBuilder;
  std::vector<Instruction> code_;
  int32_t start_ = 0;
};

// Writes a grammar from its end: every function takes what comes behind and returns where the piece
// begins. Throws ixc::Error when the program grows too long.
class GrammarBuilder {
 public:
  using Place = int32_t;

  Place Match();
  Place Return();
  Place Range(uint8_t low, uint8_t high, Place next);
  Place Text(std::string_view text, Place next);
  Place Either(std::span<const Place> places);  // at least one
  Place Either(std::initializer_list<Place> places) {
    return Either(std::span(places.begin(), places.size()));
  }
  Place Call(Place rule, Place next, bool nests = false);
  // body(again) is a piece that goes on at `again`; min to max times (-1: no bound) of it.
  Place Repeat(int min, int max, const std::function<Place(Place again)>& body, Place next);
  // A place to go to before it is known what stands there.
  Place Reserve();
  void Set(Place reserved, Place target);

  ByteGrammar Finish(Place start);

 private:
  Place Add(const ByteGrammar::Instruction& instruction);
  ByteGrammar grammar_;
};

class GrammarRun {
 public:
  using State = int32_t;
  static constexpr State kDead = -1;

  explicit GrammarRun(std::shared_ptr<const ByteGrammar> grammar);

  State start() const { return start_; }
  State Next(State state, uint8_t byte) {
    const State known = states_[static_cast<size_t>(state)].next[byte];
    return known != kUnknown ? known : FindNext(state, byte);
  }
  // The text may end here.
  bool Accepts(State state) const { return states_[static_cast<size_t>(state)].accepts; }

  size_t num_states() const { return states_.size(); }
  // Forgets all states but one, whose new name it returns.
  State Restart(State kept);

 private:
  static constexpr State kUnknown = -2;

  // Frames of all stacks; those that agree share them. Frame 0 is the bottom of every stack.
  struct Frame {
    int32_t return_to;  // -1: counts
    int32_t count;
    int32_t below;
    int32_t nesting;
  };
  struct Thread {
    int32_t at;
    int32_t stack;
    auto operator<=>(const Thread&) const = default;
  };
  using Threads = std::vector<Thread>;
  struct StateData {
    Threads threads;
    bool accepts = false;
    std::array<State, 256> next;
  };

  State FindNext(State state, uint8_t byte);
  State Intern(Threads threads);
  int32_t Push(int32_t return_to, int32_t count, int32_t below, bool nests);
  void Follow(Thread thread, Threads& stopped);

  std::shared_ptr<const ByteGrammar> grammar_;
  std::vector<Frame> frames_;
  std::map<std::tuple<int32_t, int32_t, int32_t>, int32_t> frame_names_;
  std::vector<StateData> states_;
  std::map<Threads, State> state_names_;
  State start_ = kDead;
};

}  // namespace ixc
