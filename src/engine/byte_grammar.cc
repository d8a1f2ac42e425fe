#include "engine/byte_grammar.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace ixc {

using Op = ByteGrammar::Op;

// --- writing -----------------------------------------------------------------------------------

GrammarBuilder::Place GrammarBuilder::Add(const ByteGrammar::Instruction& instruction) {
  if (grammar_.code_.size() == ByteGrammar::kMaxInstructions) {
    Fail("the schema is too large; its grammar takes more than {} steps",
         ByteGrammar::kMaxInstructions);
  }
  grammar_.code_.push_back(instruction);
  return static_cast<Place>(grammar_.code_.size() - 1);
}

GrammarBuilder::Place GrammarBuilder::Match() { return Add({.op = Op::kMatch}); }
GrammarBuilder::Place GrammarBuilder::Return() { return Add({.op = Op::kReturn}); }

GrammarBuilder::Place GrammarBuilder::Range(uint8_t low, uint8_t high, Place next) {
  return Add({.op = Op::kRange, .low = low, .high = high, .next = next});
}

GrammarBuilder::Place GrammarBuilder::Text(std::string_view text, Place next) {
  for (size_t i = text.size(); i-- > 0;) {
    const auto byte = static_cast<uint8_t>(text[i]);
    next = Range(byte, byte, next);
  }
  return next;
}

GrammarBuilder::Place GrammarBuilder::Either(std::span<const Place> places) {
  Place place = places.back();
  for (size_t i = places.size() - 1; i-- > 0;) {
    place = Add({.op = Op::kSplit, .next = places[i], .other = place});
  }
  return place;
}

GrammarBuilder::Place GrammarBuilder::Call(Place rule, Place next, bool nests) {
  return Add({.op = Op::kCall, .nests = nests, .next = rule, .other = next});
}

GrammarBuilder::Place GrammarBuilder::Repeat(int min, int max,
                                             const std::function<Place(Place again)>& body,
                                             Place next) {
  const Place count = Add({.op = Op::kCount, .other = next, .min = min, .max = max});
  const Place once = body(count);
  grammar_.code_[static_cast<size_t>(count)].next = once;
  return Add({.op = Op::kBegin, .next = count});
}

GrammarBuilder::Place GrammarBuilder::Reserve() { return Add({.op = Op::kSplit}); }

void GrammarBuilder::Set(Place reserved, Place target) {
  auto& instruction = grammar_.code_[static_cast<size_t>(reserved)];
  instruction.next = instruction.other = target;
}

ByteGrammar GrammarBuilder::Finish(Place start) {
  grammar_.start_ = start;
  return std::move(grammar_);
}

// --- running -----------------------------------------------------------------------------------

GrammarRun::GrammarRun(std::shared_ptr<const ByteGrammar> grammar) : grammar_(std::move(grammar)) {
  frames_.push_back({-1, 0, 0, 0});
  Threads threads;
  Follow({grammar_->start(), 0}, threads);
  start_ = Intern(std::move(threads));
}

GrammarRun::State GrammarRun::Restart(State kept) {
  Threads threads = std::move(states_[static_cast<size_t>(kept)].threads);
  states_.clear();
  state_names_.clear();
  start_ = Intern(std::move(threads));
  return start_;
}

int32_t GrammarRun::Push(int32_t return_to, int32_t count, int32_t below, bool nests) {
  const auto name = static_cast<int32_t>(frames_.size());
  const auto [found, added] = frame_names_.try_emplace({return_to, count, below}, name);
  if (added) {
    const int32_t nesting = frames_[static_cast<size_t>(below)].nesting + (nests ? 1 : 0);
    frames_.push_back({return_to, count, below, nesting});
  }
  return found->second;
}

// Adds every place that `thread` stands at before it needs a byte.
void GrammarRun::Follow(Thread thread, Threads& stopped) {
  std::vector<Thread> open = {thread};
  std::set<Thread> seen;
  while (!open.empty()) {
    const Thread now = open.back();
    open.pop_back();
    if (!seen.insert(now).second) continue;
    const ByteGrammar::Instruction& step = grammar_->code()[static_cast<size_t>(now.at)];
    const Frame frame = frames_[static_cast<size_t>(now.stack)];
    switch (step.op) {
      case Op::kMatch:
      case Op::kRange:
        stopped.push_back(now);
        break;
      case Op::kSplit:
        open.push_back({step.other, now.stack});
        open.push_back({step.next, now.stack});
        break;
      case Op::kCall:
        if (step.nests && frame.nesting >= ByteGrammar::kMaxNesting) break;
        open.push_back({step.next, Push(step.other, 0, now.stack, step.nests)});
        break;
      case Op::kReturn:
        open.push_back({frame.return_to, frame.below});
        break;
      case Op::kBegin:
        open.push_back({step.next, Push(-1, 0, now.stack, false)});
        break;
      case Op::kCount: {
        if (frame.count >= step.min) open.push_back({step.other, frame.below});
        if (step.max >= 0 && frame.count >= step.max) break;
        // Without a bound all counts from the least on are one.
        const int32_t count = step.max < 0 ? std::min(frame.count + 1, step.min) : frame.count + 1;
        open.push_back({step.next, Push(-1, count, frame.below, false)});
        break;
      }
    }
  }
}

GrammarRun::State GrammarRun::FindNext(State state, uint8_t byte) {
  Threads threads;
  // By index: Follow() adds frames but no states.
  for (const Thread& thread : states_[static_cast<size_t>(state)].threads) {
    const ByteGrammar::Instruction& step = grammar_->code()[static_cast<size_t>(thread.at)];
    if (step.op != Op::kRange || byte < step.low || byte > step.high) continue;
    Follow({step.next, thread.stack}, threads);
  }
  const State next = threads.empty() ? kDead : Intern(std::move(threads));
  states_[static_cast<size_t>(state)].next[byte] = next;
  return next;
}

GrammarRun::State GrammarRun::Intern(Threads threads) {
  std::ranges::sort(threads);
  threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
  const auto name = static_cast<State>(states_.size());
  const auto [found, added] = state_names_.try_emplace(threads, name);
  if (!added) return found->second;
  StateData& data = states_.emplace_back();
  data.next.fill(kUnknown);
  data.accepts = std::ranges::any_of(threads, [this](const Thread& thread) {
    return grammar_->code()[static_cast<size_t>(thread.at)].op == Op::kMatch;
  });
  data.threads = std::move(threads);
  return name;
}

}  // namespace ixc
