// A pickle reader that runs nothing: it understands the opcodes that torch.save emits (pickle
// protocol 2) and turns them into plain values. A global is only a name and must be on the caller's
// list; calling one gives a kCall node that the caller interprets. Anything else is an error that
// names the opcode or the global.
//
// Opcodes: CPython's Lib/pickletools.py. torch.save's use of them: torch/serialization.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

struct PickleNode {
  enum class Kind {
    kNone,
    kBool,          // integer
    kInteger,       // integer
    kFloat,         // real
    kString,        // text
    kTuple,         // items
    kList,          // items
    kDict,          // items: key, value, key, value, ...
    kGlobal,        // text: "module.name"
    kPersistentId,  // items[0]: what identifies the object outside the pickle
    kCall,          // items[0]: the global, items[1]: the tuple of arguments
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double real = 0;
  std::string text;  // valid UTF-8 in a kString
  std::vector<const PickleNode*> items;
};

// Python's word for a kind ("int", "dict"), for errors.
const char* Name(PickleNode::Kind kind);

// All values of one pickle. Values may be shared and (by hostile files) nested in themselves: a
// reader that recurses must bound its depth.
struct Pickle {
  std::deque<PickleNode> nodes;
  const PickleNode* root = nullptr;
};

// `where` names the file in errors. collections.OrderedDict() is always allowed and gives a kDict.
Pickle Unpickle(std::span<const std::byte> bytes, std::span<const std::string_view> allowed_globals,
                const std::string& where);

}  // namespace ixc
