#include "formats/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"

namespace ixc {
namespace {

constexpr uint64_t kSizeBytes = 8;
constexpr char kMetadataKey[] = "__metadata__";

constexpr DType kDTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI8,
                             DType::kU8,  DType::kI16, DType::kI32,  DType::kI64, DType::kBool};

std::optional<DType> DTypeOf(std::string_view name) {
  for (DType dtype : kDTypes) {
    if (name == Name(dtype)) return dtype;
  }
  return std::nullopt;
}

// A file that is being parsed.
struct Source {
  std::span<const std::byte> bytes;
  const std::string& where;
  uint64_t data_begin = 0;  // of the tensors' bytes, from the start of the file
};

// A tensor as the header declares it; offsets count from the start of the file.
struct Entry {
  NamedTensor tensor;
  uint64_t begin;
  uint64_t end;
};

std::string_view HeaderText(const Source& file) {
  if (file.bytes.size() < kSizeBytes) {
    Fail("{}: {} bytes are too few for a safetensors file; download it again", file.where,
         file.bytes.size());
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.bytes.data(), kSizeBytes);  // x86-64 is little-endian
  if (header_bytes > kMaxJsonBytes) {
    Fail("{}: not a safetensors file: header of {} bytes, at most {} are read", file.where,
         header_bytes, kMaxJsonBytes);
  }
  if (header_bytes > file.bytes.size() - kSizeBytes) {
    Fail("{}: the header wants bytes {}..{}, the file has {}; download it again", file.where,
         kSizeBytes, kSizeBytes + header_bytes, file.bytes.size());
  }
  const auto* text = reinterpret_cast<const char*>(file.bytes.data()) + kSizeBytes;
  return {text, static_cast<size_t>(header_bytes)};
}

// The product is checked by the caller.
std::vector<int64_t> ReadShape(const Json& tensor, const std::string& what) {
  const auto shape = tensor.find("shape");
  if (shape == tensor.end() || !shape->is_array() || shape->size() > kMaxTensorRank) {
    Fail("{}: wanted 'shape' as a list of at most {} dimensions", what, kMaxTensorRank);
  }
  std::vector<int64_t> dimensions;
  for (const Json& dimension : *shape) {
    if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > INT64_MAX) {
      Fail("{}: dimension {} is not a size", what, dimension.dump());
    }
    dimensions.push_back(dimension.get<int64_t>());
  }
  return dimensions;
}

std::pair<uint64_t, uint64_t> ReadOffsets(const Json& tensor, const std::string& what) {
  const auto offsets = tensor.find("data_offsets");
  if (offsets == tensor.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    Fail("{}: wanted 'data_offsets' as [begin, end]", what);
  }
  return {(*offsets)[0].get<uint64_t>(), (*offsets)[1].get<uint64_t>()};
}

Entry ReadEntry(const Source& file, const std::string& name, const Json& tensor) {
  const std::string what = fmt::format("{}: tensor '{}'", file.where, name);
  const std::string dtype_name = JsonFields(tensor, what).String("dtype");
  const std::optional<DType> dtype = DTypeOf(dtype_name);
  if (!dtype) Fail("{}: dtype '{}' is not supported", what, dtype_name);
  std::vector<int64_t> shape = ReadShape(tensor, what);
  const auto [begin, end] = ReadOffsets(tensor, what);
  const uint64_t bytes =
      CheckedMul(CheckedElements(shape, what.c_str()), SizeOf(*dtype), what.c_str());
  if (end < begin || end - begin != bytes) {
    Fail("{}: {} of shape {} has {} bytes, the header gives it {}..{}", what, dtype_name,
         ShapeString(shape), bytes, begin, end);
  }
  const uint64_t file_end = CheckedAdd(end, file.data_begin, what.c_str());
  const uint64_t file_begin = begin + file.data_begin;
  if (file_end > file.bytes.size()) {
    Fail("{} wants bytes {}..{}, the file has {}; download it again", what, file_begin, file_end,
         file.bytes.size());
  }
  const TensorView view{*dtype, std::move(shape), file.bytes.data() + file_begin};
  return {{name, view}, file_begin, file_end};
}

std::map<std::string, std::string> ReadMetadata(const Json& value, const std::string& where) {
  if (!value.is_object()) Fail("{}: wanted '{}' as an object", where, kMetadataKey);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) Fail("{}: metadata '{}' is not a string", where, key);
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// Sorted entries must follow each other without overlap or hole up to the end of the file: the
// format allows nothing else, and a hole is a place to hide bytes in.
void CheckLayout(const Source& file, const std::vector<Entry>& entries) {
  uint64_t expected = file.data_begin;
  for (const Entry& entry : entries) {
    if (entry.begin != expected) {
      Fail("{}: tensor '{}' begins at byte {}, the tensor before it ends at {}", file.where,
           entry.tensor.name, entry.begin, expected);
    }
    expected = entry.end;
  }
  if (expected != file.bytes.size()) {
    Fail("{}: {} bytes after the last tensor", file.where, file.bytes.size() - expected);
  }
}

}  // namespace

TensorMap ParseSafetensors(std::span<const std::byte> bytes, const std::string& where) {
  Source file{bytes, where};
  const std::string_view text = HeaderText(file);
  file.data_begin = kSizeBytes + text.size();
  const Json header = ParseJson(text, where);
  if (!header.is_object()) Fail("{}: the safetensors header is not a JSON object", where);

  TensorMap map;
  std::vector<Entry> entries;
  entries.reserve(header.size());
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      map.metadata = ReadMetadata(value, where);
    } else {
      entries.push_back(ReadEntry(file, name, value));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  CheckLayout(file, entries);
  map.tensors.reserve(entries.size());
  for (Entry& entry : entries) map.tensors.push_back(std::move(entry.tensor));
  return map;
}

namespace {

std::string MakeHeader(const std::vector<TensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata, size_t alignment) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    const uint64_t end = offset + tensor.NumBytes();
    header[tensor.name] = {
        {"dtype", Name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = ToText(header);
  while ((kSizeBytes + text.size()) % alignment != 0) text += ' ';
  return text;
}

void CheckNames(const std::vector<TensorSource>& tensors, const std::string& where) {
  std::set<std::string_view> names{kMetadataKey};
  for (const TensorSource& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      Fail("{}: tensor name '{}' twice or reserved", where, tensor.name);
    }
  }
}

}  // namespace

uint64_t TensorSource::NumBytes() const {
  const char* what = name.c_str();
  return CheckedMul(CheckedElements(shape, what), SizeOf(dtype), what);
}

TensorSource SourceOf(std::string name, const TensorView& view) {
  auto write = [data = view.data, size = view.NumBytes()](ByteSink& out) {
    out.Write(std::span(data, size));
  };
  return {std::move(name), view.dtype, view.shape, write};
}

void WriteSafetensors(ByteSink& out, const std::string& where, std::vector<TensorSource> tensors,
                      const std::map<std::string, std::string>& metadata, size_t alignment) {
  CheckNames(tensors, where);
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorSource& a, const TensorSource& b) {
                     return SizeOf(a.dtype) > SizeOf(b.dtype);
                   });
  const std::string header = MakeHeader(tensors, metadata, alignment);
  const uint64_t header_bytes = header.size();
  out.Write(std::as_bytes(std::span(&header_bytes, 1)));
  out.Write(header);
  for (const TensorSource& tensor : tensors) {
    const uint64_t end = out.size() + tensor.NumBytes();
    tensor.write(out);
    if (out.size() != end) {
      Fail("{}: tensor '{}' was written {} bytes short or long of its shape", where, tensor.name,
           out.size() > end ? out.size() - end : end - out.size());
    }
  }
}

void WriteSafetensors(const std::filesystem::path& path, std::vector<TensorSource> tensors,
                      const std::map<std::string, std::string>& metadata, size_t alignment) {
  AtomicFile file(path);
  WriteSafetensors(file, path.string(), std::move(tensors), metadata, alignment);
  file.Commit();
}

}  // namespace ixc
