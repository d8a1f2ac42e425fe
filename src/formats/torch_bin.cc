#include "formats/torch_bin.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "formats/unpickler.h"
#include "formats/zip_reader.h"

namespace ixc {
namespace {

using Kind = PickleNode::Kind;

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kPickleName = "/data.pkl";

struct StorageType {
  std::string_view global;
  DType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", DType::kF32},     {"torch.HalfStorage", DType::kF16},
    {"torch.BFloat16Storage", DType::kBF16}, {"torch.DoubleStorage", DType::kF64},
    {"torch.CharStorage", DType::kI8},       {"torch.ByteStorage", DType::kU8},
    {"torch.ShortStorage", DType::kI16},     {"torch.IntStorage", DType::kI32},
    {"torch.LongStorage", DType::kI64},      {"torch.BoolStorage", DType::kBool},
};

std::vector<std::string_view> AllowedGlobals() {
  std::vector<std::string_view> globals{kRebuildTensor, kRebuildParameter};
  for (const StorageType& type : kStorageTypes) globals.push_back(type.global);
  return globals;
}

// A tensor as the pickle describes it; offset and strides count elements.
struct Description {
  DType dtype = DType::kF32;
  std::span<const std::byte> storage;
  uint64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// Row-major without gaps; the stride of a dimension of size 1 does not matter.
bool IsContiguous(const Description& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Copies a tensor of at least one dimension in row-major order. The caller has checked that every
// element lies in the storage; unsigned arithmetic, since the stride of a dimension of size 1 may
// be anything.
void CopyStrided(const Description& tensor, std::byte* out) {
  const size_t size = SizeOf(tensor.dtype);
  std::vector<int64_t> index(tensor.shape.size(), 0);
  uint64_t element = tensor.offset;
  size_t axis = 0;
  do {
    std::memcpy(out, tensor.storage.data() + element * size, size);
    out += size;
    for (axis = index.size(); axis > 0; --axis) {  // the next index, last dimension first
      const size_t i = axis - 1;
      const auto stride = static_cast<uint64_t>(tensor.strides[i]);
      element += stride;
      if (++index[i] < tensor.shape[i]) break;
      element -= stride * static_cast<uint64_t>(tensor.shape[i]);
      index[i] = 0;
    }
  } while (axis > 0);
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& where)
      : file_size_(bytes.size()), where_(where), entries_(ReadZip(bytes, where)) {
    for (const ZipEntry& entry : entries_) by_name_.emplace(entry.name, &entry);
    prefix_ = FindPrefix();
  }

  TensorMap Read() {
    CheckByteOrder();
    const ZipEntry& pickle_entry = *by_name_.at(prefix_ + std::string(kPickleName));
    if (!CrcMatches(pickle_entry)) {
      Fail("{}: '{}' does not have its checksum; download it again", where_, pickle_entry.name);
    }
    const std::vector<std::string_view> globals = AllowedGlobals();
    const Pickle pickle = Unpickle(pickle_entry.data, globals, where_);
    const PickleNode& dict = StateDict(*pickle.root);
    std::set<std::string_view> names;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleNode& key = *dict.items[i];
      if (key.kind != Kind::kString) Fail("{}: a key of the dict is a {}", where_, Name(key.kind));
      if (!names.insert(key.text).second) Fail("{}: tensor '{}' twice", where_, key.text);
      ReadValue(key.text, *dict.items[i + 1]);
    }
    return std::move(map_);
  }

 private:
  // Every entry lies in one folder, named after the file when it was saved.
  std::string FindPrefix() const {
    for (const ZipEntry& entry : entries_) {
      if (entry.name.ends_with(kPickleName)) {
        return entry.name.substr(0, entry.name.size() - kPickleName.size());
      }
    }
    Fail("{}: a zip without data.pkl; wanted a file that torch.save wrote", where_);
  }

  void CheckByteOrder() const {
    const auto it = by_name_.find(prefix_ + "/byteorder");
    if (it == by_name_.end()) return;
    const auto data = it->second->data;
    const std::string_view order(reinterpret_cast<const char*>(data.data()), data.size());
    if (order != "little") Fail("{}: byte order is not 'little'", where_);
  }

  const PickleNode& StateDict(const PickleNode& root) const {
    if (root.kind != Kind::kDict) {
      Fail("{}: holds a {}, wanted a dict of tensors", where_, Name(root.kind));
    }
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleNode& value = *root.items[i + 1];
      if (root.items[i]->text == "state_dict" && value.kind == Kind::kDict) return value;
    }
    return root;
  }

  void ReadValue(const std::string& name, const PickleNode& value) {
    const PickleNode* call = &value;
    if (IsCall(*call, kRebuildParameter)) {
      const auto& arguments = call->items[1]->items;
      if (arguments.empty()) Fail("{}: parameter '{}' without a tensor", where_, name);
      call = arguments[0];
    }
    if (!IsCall(*call, kRebuildTensor)) {
      map_.ignored.push_back(name);
      return;
    }
    const std::string what = fmt::format("{}: tensor '{}'", where_, name);
    map_.tensors.push_back({name, View(Describe(*call, what), what)});
  }

  static bool IsCall(const PickleNode& node, std::string_view global) {
    return node.kind == Kind::kCall && node.items[0]->text == global;
  }

  Description Describe(const PickleNode& call, const std::string& what) const {
    const auto& arguments = call.items[1]->items;
    if (arguments.size() < 4 || arguments[1]->kind != Kind::kInteger || arguments[1]->integer < 0) {
      Fail("{}: wanted (storage, offset, size, stride, ...)", what);
    }
    Description tensor;
    ReadStorage(*arguments[0], what, tensor);
    tensor.offset = static_cast<uint64_t>(arguments[1]->integer);
    tensor.shape = Sizes(*arguments[2], what);
    tensor.strides = Sizes(*arguments[3], what);
    if (tensor.shape.size() != tensor.strides.size()) {
      Fail("{}: {} dimensions but {} strides", what, tensor.shape.size(), tensor.strides.size());
    }
    CheckBounds(tensor, what);
    return tensor;
  }

  void ReadStorage(const PickleNode& id, const std::string& what, Description& tensor) const {
    const auto* fields = id.kind == Kind::kPersistentId ? &id.items[0]->items : nullptr;
    if (fields == nullptr || fields->size() < 5 || (*fields)[0]->text != "storage" ||
        (*fields)[1]->kind != Kind::kGlobal || (*fields)[2]->kind != Kind::kString ||
        (*fields)[4]->kind != Kind::kInteger) {
      Fail("{}: wanted a storage ('storage', type, key, device, elements)", what);
    }
    const auto* type = std::find_if(
        std::begin(kStorageTypes), std::end(kStorageTypes),
        [&](const StorageType& candidate) { return candidate.global == (*fields)[1]->text; });
    if (type == std::end(kStorageTypes)) Fail("{}: storage is a {}", what, (*fields)[1]->text);
    tensor.dtype = type->dtype;
    const std::string entry_name = fmt::format("{}/data/{}", prefix_, (*fields)[2]->text);
    const auto entry = by_name_.find(entry_name);
    if (entry == by_name_.end()) Fail("{}: the file has no entry '{}'", what, entry_name);
    const int64_t elements = (*fields)[4]->integer;
    tensor.storage = entry->second->data;
    if (elements < 0 ||
        tensor.storage.size() / SizeOf(tensor.dtype) < static_cast<uint64_t>(elements)) {
      Fail("{}: its storage has {} elements of {}, entry '{}' has {} bytes; download it again",
           what, elements, Name(tensor.dtype), entry_name, tensor.storage.size());
    }
    tensor.storage = tensor.storage.first(static_cast<size_t>(elements) * SizeOf(tensor.dtype));
  }

  static std::vector<int64_t> Sizes(const PickleNode& tuple, const std::string& what) {
    if (tuple.kind != Kind::kTuple || tuple.items.size() > kMaxTensorRank) {
      Fail("{}: wanted size and stride as tuples of at most {}", what, kMaxTensorRank);
    }
    std::vector<int64_t> sizes;
    for (const PickleNode* item : tuple.items) {
      if (item->kind != Kind::kInteger || item->integer < 0) {
        Fail("{}: a dimension or stride is not a size", what);
      }
      sizes.push_back(item->integer);
    }
    return sizes;
  }

  // The last element that the strides reach must lie in the storage.
  static void CheckBounds(const Description& tensor, const std::string& what) {
    if (CheckedElements(tensor.shape, what.c_str()) == 0) return;
    uint64_t last = tensor.offset;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      const uint64_t steps = static_cast<uint64_t>(tensor.shape[i]) - 1;
      const uint64_t stride = static_cast<uint64_t>(tensor.strides[i]);
      last = CheckedAdd(last, CheckedMul(steps, stride, what.c_str()), what.c_str());
    }
    const uint64_t elements = tensor.storage.size() / SizeOf(tensor.dtype);
    if (last >= elements) {
      Fail("{}: shape {} reaches element {}, its storage has {}", what, ShapeString(tensor.shape),
           last, elements);
    }
  }

  TensorView View(const Description& tensor, const std::string& what) {
    const uint64_t elements = CheckedElements(tensor.shape, what.c_str());
    if (elements == 0) return {tensor.dtype, tensor.shape, tensor.storage.data()};
    if (IsContiguous(tensor)) {
      return {tensor.dtype, tensor.shape,
              tensor.storage.data() + tensor.offset * SizeOf(tensor.dtype)};
    }
    const uint64_t bytes = CheckedMul(elements, SizeOf(tensor.dtype), what.c_str());
    if (bytes > file_size_ - copied_bytes_) {
      Fail("{}: strided tensor of shape {}: its copy would exceed the file's own {} bytes", what,
           ShapeString(tensor.shape), file_size_);
    }
    copied_bytes_ += bytes;
    AlignedBuffer& buffer = map_.owned.emplace_back(static_cast<size_t>(bytes));
    CopyStrided(tensor, buffer.data());
    return {tensor.dtype, tensor.shape, buffer.data()};
  }

  uint64_t file_size_;
  const std::string& where_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, const ZipEntry*> by_name_;
  std::string prefix_;
  TensorMap map_;
  uint64_t copied_bytes_ = 0;
};

constexpr std::byte kPickleProto{0x80};
constexpr std::string_view kZipMagic = "PK\3\4";

}  // namespace

bool IsTorchBin(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kZipMagic)) return true;
  // A safetensors file may begin with the same bytes, as the size of its header; then JSON follows.
  constexpr size_t kJson = 8;
  if (text.size() > kJson && text.substr(4, 5) == std::string_view("\0\0\0\0{", 5)) return false;
  return bytes.size() >= 2 && bytes[0] == kPickleProto && bytes[1] <= std::byte{5};
}

TensorMap ParseTorchBin(std::span<const std::byte> bytes, const std::string& where) {
  if (!IsTorchBin(bytes)) Fail("{}: not a file that torch.save wrote", where);
  if (bytes[0] == kPickleProto) {
    Fail(
        "{}: PyTorch's old file format (before 1.6); load it with torch and save it again with "
        "torch.save, or get the safetensors version of the model",
        where);
  }
  return Reader(bytes, where).Read();
}

}  // namespace ixc
