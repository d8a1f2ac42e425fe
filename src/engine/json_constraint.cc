#include "engine/json_constraint.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/chat_template.h"

namespace ixc {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr size_t kMaxStates = 8192;  // of the automaton, 1 KB each
constexpr size_t kMaxMasks = 64;

void Set(std::vector<uint64_t>& bits, int32_t id) {
  bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64);
}
void Clear(std::vector<uint64_t>& bits, int32_t id) {
  bits[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
}
bool Has(const std::vector<uint64_t>& bits, size_t id) {
  return id / 64 < bits.size() && (bits[id / 64] >> (id % 64) & 1) != 0;
}

}  // namespace

JsonConstraint::JsonConstraint(std::shared_ptr<const ByteGrammar> grammar,
                               std::shared_ptr<const PieceTrie> pieces,
                               std::vector<int32_t> stop_ids)
    : pieces_(std::move(pieces)),
      stop_ids_(std::move(stop_ids)),
      run_(std::move(grammar)),
      state_(run_.start()) {
  if (!pieces_->has_all_bytes()) {
    Fail(
        "the tokenizer of this model has no piece for every byte, so answers of a given form are "
        "not possible");
  }
}

void JsonConstraint::Mask(std::span<float> logits) const {
  std::vector<float> stops;
  for (int32_t id : stop_ids_) stops.push_back(logits[static_cast<size_t>(id)]);
  if (ended_) {
    std::ranges::fill(logits, kNever);
  } else {
    const Bits& allowed = AllowedPieces();
    const auto mask = [&](const Bits& bits) {
      for (size_t id = 0; id < logits.size(); ++id) {
        if (!Has(bits, id)) logits[id] = kNever;
      }
    };
    if (open_marker_.empty()) {
      mask(allowed);
    } else {
      // The marker would end the answer in the midst of a string.
      Bits without = allowed;
      const auto [begin, end] = pieces_->Find(kTurnEnd.substr(open_marker_.size()));
      for (int32_t id : pieces_->Ids(begin, end)) Clear(without, id);
      mask(without);
    }
  }
  for (size_t i = 0; i < stop_ids_.size(); ++i) {
    const auto id = static_cast<size_t>(stop_ids_[i]);
    logits[id] = ended_ || run_.Accepts(state_) ? stops[i] : kNever;
  }
}

const JsonConstraint::Bits& JsonConstraint::AllowedPieces() const {
  const auto known = masks_.find(state_);
  if (known != masks_.end()) return known->second;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  return masks_[state_] = WalkPieces();
}

JsonConstraint::Bits JsonConstraint::WalkPieces() const {
  Bits bits(static_cast<size_t>(pieces_->vocab_size() + 63) / 64);
  const std::span<const PieceTrie::Node> nodes = pieces_->nodes();
  std::vector<GrammarRun::State> way = {state_};  // by depth
  for (size_t at = 0; at < nodes.size();) {
    const PieceTrie::Node& node = nodes[at];
    way.resize(node.depth);
    const GrammarRun::State next = run_.Next(way.back(), node.byte);
    if (next == GrammarRun::kDead) {
      at = static_cast<size_t>(node.end);
      continue;
    }
    for (int32_t id : pieces_->Ids(at, at + 1)) Set(bits, id);
    way.push_back(next);
    ++at;
  }
  return bits;
}

void JsonConstraint::Accept(int32_t id) {
  if (ended_ || IsStop(id)) {
    ended_ = true;
    return;
  }
  const std::string& bytes = pieces_->Bytes(id);
  for (char byte : bytes) {
    state_ = run_.Next(state_, static_cast<uint8_t>(byte));
    if (state_ == GrammarRun::kDead) Fail("token {} does not follow the form of the answer", id);
  }
  open_marker_ += bytes;
  size_t length = std::min(open_marker_.size(), kTurnEnd.size() - 1);
  while (!kTurnEnd.starts_with(open_marker_.substr(open_marker_.size() - length))) --length;
  open_marker_.erase(0, open_marker_.size() - length);
  if (run_.num_states() > kMaxStates) {
    masks_.clear();
    state_ = run_.Restart(state_);
  }
}

bool JsonConstraint::IsStop(int32_t id) const {
  return std::ranges::find(stop_ids_, id) != stop_ids_.end();
}

}  // namespace ixc
