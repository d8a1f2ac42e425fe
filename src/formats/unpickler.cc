#include "formats/unpickler.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/limits.h"

namespace ixc {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";

using Kind = PickleNode::Kind;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kEmptyDict = '}',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

// Well-formed UTF-8 without overlong forms and surrogates (RFC 3629).
bool IsUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    const int extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < static_cast<size_t>(extra)) return false;
    uint32_t code = lead & (0x3fu >> extra);
    for (int k = 0; k < extra; ++k) {
      const auto byte = static_cast<uint8_t>(text[i++]);
      if ((byte & 0xc0) != 0x80) return false;
      code = (code << 6) | (byte & 0x3f);
    }
    constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[extra] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return false;
    }
  }
  return true;
}

// The stack machine of the pickle format.
class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::span<const std::string_view> allowed_globals,
          const std::string& where)
      : bytes_(bytes), allowed_globals_(allowed_globals), where_(where) {}

  Pickle Run() {
    if (bytes_.size() > kMaxPickleBytes) {
      Fail("{}: a pickle of {} bytes, at most {} are read", where_, bytes_.size(), kMaxPickleBytes);
    }
    ReadProtocol();
    for (;;) {
      opcode_at_ = position_;
      const uint8_t opcode = Read<uint8_t>();
      if (opcode == kStop) break;
      if (!RunScalar(opcode) && !RunContainer(opcode) && !RunObject(opcode)) {
        Fail("{}: pickle opcode 0x{:02x} at byte {} is not one of a plain dict of tensors", where_,
             opcode, opcode_at_);
      }
    }
    pickle_.root = Pop();
    return std::move(pickle_);
  }

 private:
  void ReadProtocol() {
    if (Read<uint8_t>() != kProto) Fail("{}: not a pickle of protocol 2", where_);
    const uint8_t protocol = Read<uint8_t>();
    if (protocol != 2) {
      Fail("{}: pickle protocol {}, wanted 2 as torch.save writes by default", where_, protocol);
    }
  }

  // Numbers, strings, None and the memo. Each of the three returns false when it does not know the
  // opcode.
  bool RunScalar(uint8_t opcode) {
    switch (opcode) {
      case kNone:
        Push(Make(Kind::kNone));
        return true;
      case kNewTrue:
      case kNewFalse:
        PushInteger(Kind::kBool, opcode == kNewTrue);
        return true;
      case kBinInt:
        PushInteger(Kind::kInteger, Read<int32_t>());
        return true;
      case kBinInt1:
        PushInteger(Kind::kInteger, Read<uint8_t>());
        return true;
      case kBinInt2:
        PushInteger(Kind::kInteger, Read<uint16_t>());
        return true;
      case kLong1:
        PushInteger(Kind::kInteger, ReadLong());
        return true;
      case kBinFloat:
        PushFloat();
        return true;
      case kBinUnicode:
        PushString();
        return true;
      case kBinPut:
        memo_[Read<uint8_t>()] = Top();
        return true;
      case kLongBinPut:
        memo_[Read<uint32_t>()] = Top();
        CheckCount(memo_.size());
        return true;
      case kBinGet:
        PushMemo(Read<uint8_t>());
        return true;
      case kLongBinGet:
        PushMemo(Read<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  bool RunContainer(uint8_t opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(stack_.size());
        CheckCount(marks_.size());
        return true;
      case kPop:
        Pop();
        return true;
      case kEmptyTuple:
        PushTuple(0);
        return true;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        PushTuple(static_cast<size_t>(opcode - kTuple1) + 1);
        return true;
      case kTuple:
        PushTuple(PopMark());
        return true;
      case kEmptyList:
        Push(Make(Kind::kList));
        return true;
      case kEmptyDict:
        Push(Make(Kind::kDict));
        return true;
      case kAppend:
        MoveInto(Kind::kList, 1);
        return true;
      case kAppends:
        MoveInto(Kind::kList, PopMark());
        return true;
      case kSetItem:
        MoveInto(Kind::kDict, 2);
        return true;
      case kSetItems:
        MoveInto(Kind::kDict, PopMark());
        return true;
      default:
        return false;
    }
  }

  bool RunObject(uint8_t opcode) {
    switch (opcode) {
      case kGlobal:
        PushGlobal();
        return true;
      case kBinPersId: {
        PickleNode* node = Make(Kind::kPersistentId);
        node->items.push_back(Pop());
        Push(node);
        return true;
      }
      case kReduce:
        Reduce();
        return true;
      case kBuild:
        // Attributes of a state dict (its _metadata of version numbers): of no use here.
        Pop();
        if (Top()->kind != Kind::kDict) {
          Fail("{}: attributes set on a {} at byte {}; only a dict may have them", where_,
               Name(Top()->kind), opcode_at_);
        }
        return true;
      default:
        return false;
    }
  }

  std::span<const std::byte> ReadBytes(size_t size) {
    if (size > bytes_.size() - position_) {
      Fail("{}: the pickle ends early, after {} bytes; download it again", where_, bytes_.size());
    }
    const auto slice = bytes_.subspan(position_, size);
    position_ += size;
    return slice;
  }

  template <typename T>
  T Read() {
    T value;
    std::memcpy(&value, ReadBytes(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view ReadText(size_t size) {
    const auto bytes = ReadBytes(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::string_view ReadLine() {
    const auto rest = bytes_.subspan(position_);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    const std::string_view line = ReadText(static_cast<size_t>(end - rest.begin()));
    ReadBytes(1);
    return line;
  }

  // Little-endian two's complement of up to 8 bytes.
  int64_t ReadLong() {
    const size_t size = Read<uint8_t>();
    if (size > sizeof(int64_t)) Fail("{}: integer of {} bytes in the pickle", where_, size);
    const auto bytes = ReadBytes(size);
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    const size_t unused_bits = 64 - 8 * size;
    if (size == 0) return 0;
    return std::bit_cast<int64_t>(value << unused_bits) >> unused_bits;
  }

  void CheckCount(size_t count) const {
    if (count > kMaxPickleValues) {
      Fail("{}: more than {} pickled values", where_, kMaxPickleValues);
    }
  }

  PickleNode* Make(Kind kind) {
    PickleNode* node = &pickle_.nodes.emplace_back();
    node->kind = kind;
    return node;
  }

  // Every value that is made or taken from the memo comes by here, so that their number bounds the
  // nodes, the stack and what the containers hold together.
  void Push(PickleNode* node) {
    CheckCount(++num_pushed_);
    stack_.push_back(node);
  }

  PickleNode* Top() {
    if (stack_.size() <= Floor()) {
      Fail("{}: broken pickle: empty stack at byte {}", where_, opcode_at_);
    }
    return stack_.back();
  }

  PickleNode* Pop() {
    PickleNode* node = Top();
    stack_.pop_back();
    return node;
  }

  // Values below the last mark are out of reach.
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }

  // Removes the last mark; the number of values above it.
  size_t PopMark() {
    if (marks_.empty()) Fail("{}: broken pickle: no mark at byte {}", where_, opcode_at_);
    const size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
  }

  void PushInteger(Kind kind, int64_t value) {
    PickleNode* node = Make(kind);
    node->integer = value;
    Push(node);
  }

  void PushFloat() {  // the one big-endian field of the format
    PickleNode* node = Make(Kind::kFloat);
    node->real = std::bit_cast<double>(__builtin_bswap64(Read<uint64_t>()));
    Push(node);
  }

  void PushString() {
    const std::string_view text = ReadText(Read<uint32_t>());
    if (!IsUtf8(text)) Fail("{}: the string at byte {} is not UTF-8", where_, opcode_at_);
    PickleNode* node = Make(Kind::kString);
    node->text = text;
    Push(node);
  }

  void PushMemo(uint32_t key) {
    const auto it = memo_.find(key);
    if (it == memo_.end()) Fail("{}: broken pickle: memo {} was never set", where_, key);
    Push(it->second);
  }

  void PushTuple(size_t count) {
    PickleNode* tuple = Make(Kind::kTuple);
    MoveTop(count, tuple->items);
    Push(tuple);
  }

  // Takes the upper `count` values off the stack and appends them to `items`.
  void MoveTop(size_t count, std::vector<const PickleNode*>& items) {
    if (count > stack_.size() - Floor()) {
      Fail("{}: broken pickle: {} values wanted at byte {}", where_, count, opcode_at_);
    }
    items.insert(items.end(), stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
  }

  // Appends the upper `count` values to the list or dict below them.
  void MoveInto(Kind kind, size_t count) {
    std::vector<const PickleNode*> items;
    MoveTop(count, items);
    PickleNode* container = Top();
    if (container->kind != kind || (kind == Kind::kDict && count % 2 != 0)) {
      Fail("{}: broken pickle: {} items for a {} at byte {}", where_, count, Name(container->kind),
           opcode_at_);
    }
    container->items.insert(container->items.end(), items.begin(), items.end());
  }

  void PushGlobal() {
    const std::string_view module = ReadLine();
    std::string name = fmt::format("{}.{}", module, ReadLine());
    if (name != kOrderedDict && std::find(allowed_globals_.begin(), allowed_globals_.end(), name) ==
                                    allowed_globals_.end()) {
      Fail("{}: the pickle refers to '{}', which a file of weights does not need; not read", where_,
           IsUtf8(name) ? name : "(not UTF-8)");
    }
    PickleNode* node = Make(Kind::kGlobal);
    node->text = std::move(name);
    Push(node);
  }

  void Reduce() {
    PickleNode* arguments = Pop();
    PickleNode* callee = Pop();
    if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) {
      Fail("{}: broken pickle: call of a {} at byte {}", where_, Name(callee->kind), opcode_at_);
    }
    if (callee->text == kOrderedDict) {
      if (!arguments->items.empty()) Fail("{}: OrderedDict with arguments", where_);
      Push(Make(Kind::kDict));
      return;
    }
    PickleNode* call = Make(Kind::kCall);
    call->items = {callee, arguments};
    Push(call);
  }

  std::span<const std::byte> bytes_;
  std::span<const std::string_view> allowed_globals_;
  const std::string& where_;
  size_t position_ = 0;
  size_t opcode_at_ = 0;
  size_t num_pushed_ = 0;
  Pickle pickle_;
  std::vector<PickleNode*> stack_;
  std::vector<size_t> marks_;  // sizes of the stack when each mark was set
  std::unordered_map<uint32_t, PickleNode*> memo_;
};

}  // namespace

const char* Name(PickleNode::Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kTuple:
      return "tuple";
    case Kind::kList:
      return "list";
    case Kind::kDict:
      return "dict";
    case Kind::kGlobal:
      return "global";
    case Kind::kPersistentId:
      return "storage";
    case Kind::kCall:
      return "object";
  }
  return "value";
}

Pickle Unpickle(std::span<const std::byte> bytes, std::span<const std::string_view> allowed_globals,
                const std::string& where) {
  return Machine(bytes, allowed_globals, where).Run();
}

}  // namespace ixc
