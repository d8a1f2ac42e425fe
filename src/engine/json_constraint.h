// Answers that follow a grammar of bytes, token by token.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/byte_grammar.h"
#include "engine/token_constraint.h"
#include "text/piece_trie.h"

namespace ixc {

class JsonConstraint : public TokenConstraint {
 public:
  // The trie excludes the marker that ends answers. Throws when the vocabulary cannot spell every
  // text: then a beginning might have no end.
  JsonConstraint(std::shared_ptr<const ByteGrammar> grammar,
                 std::shared_ptr<const PieceTrie> pieces, std::vector<int32_t> stop_ids);

  void Mask(std::span<float> logits) const override;
  void Accept(int32_t id) override;

  // The text may end here.
  bool IsComplete() const { return run_.Accepts(state_); }

 private:
  using Bits = std::vector<uint64_t>;  // one a token id

  const Bits& AllowedPieces() const;
  Bits WalkPieces() const;
  bool IsStop(int32_t id) const;

  std::shared_ptr<const PieceTrie> pieces_;
  std::vector<int32_t> stop_ids_;
  // Found out while it is used: what they remember changes no answer.
  mutable GrammarRun run_;
  mutable std::unordered_map<GrammarRun::State, Bits> masks_;
  GrammarRun::State state_;
  std::string open_marker_;  // the end of the text that begins the marker
  bool ended_ = false;
};

}  // namespace ixc
