#include "model/pack_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "formats/safetensors.h"

namespace ixc {

namespace {

namespace fs = std::filesystem;

// Raise it when a packed layout or this file's format changes.
constexpr const char* kVersion = "1";
constexpr size_t kAlignment = 64;
// Enough for the header of a .bin file, which lies at both ends.
constexpr size_t kEnds = 64 << 10;

using Bytes = std::span<const std::byte>;

std::string Hex(uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string HashOf(Bytes bytes) { return Hex(XXH3_64bits(bytes.data(), bytes.size())); }

Bytes HeaderOf(Bytes file) {
  uint64_t size = 0;
  if (file.size() >= sizeof size) std::memcpy(&size, file.data(), sizeof size);
  const bool is_safetensors = size > 0 && size <= file.size() - sizeof size &&
                              file.size() > sizeof size && file[8] == std::byte{'{'};
  return file.first(is_safetensors ? sizeof size + size : std::min(file.size(), kEnds));
}

Json DescribeFile(const TensorFile& file) {
  const Bytes bytes = file.bytes();
  const auto time = fs::last_write_time(file.path()).time_since_epoch();
  return {{"name", file.path().filename().string()},
          {"size", bytes.size()},
          {"time", std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()},
          {"header", HashOf(HeaderOf(bytes))},
          {"end", HashOf(bytes.last(std::min(bytes.size(), kEnds)))}};
}

// Configuration, adapters and quantization decide what is packed, too.
std::string HashOfJsonFiles(const fs::path& directory) {
  std::set<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".json" && entry.is_regular_file()) paths.insert(entry.path());
  }
  std::string all;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    all += path.filename().string() + '\n';
    all.append(std::istreambuf_iterator<char>(file), {});
  }
  return HashOf(std::as_bytes(std::span(all)));
}

std::string KeyOf(const Checkpoint& checkpoint, const std::string& how) {
  std::map<std::string, const TensorFile*> files;  // adopted ones included
  for (std::string_view name : checkpoint.names()) {
    const TensorFile& file = checkpoint.FileOf(name);
    files[file.path().string()] = &file;
  }
  Json key = {{"how", how}, {"json", HashOfJsonFiles(checkpoint.directory())}};
  for (const auto& [path, file] : files) key["files"].push_back(DescribeFile(*file));
  return ToText(key);
}

// One file a directory and set of options, so that a stale one is replaced and not left behind.
std::string FileName(const fs::path& directory, const std::string& how) {
  const fs::path whole = fs::weakly_canonical(directory);
  const std::string identity = whole.string() + '\n' + how;
  return whole.filename().string() + "-" + HashOf(std::as_bytes(std::span(identity))) +
         ".ixc-pack.safetensors";
}

constexpr const char* kSuffixes[] = {
    "", "/group_scales", "/output_scale", "/output_bias", "/outlier_begin", "/outliers"};

// XXH3 of several stretches.
class Hasher {
 public:
  Hasher() : state_(XXH3_createState(), &XXH3_freeState) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state_.get());
  }
  void Add(Bytes bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
  std::string Finish() const { return Hex(XXH3_64bits_digest(state_.get())); }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

Bytes BytesOf(const WeightBytes& bytes) { return {bytes.data(), bytes.size()}; }
template <typename T>
Bytes BytesOf(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

template <typename T>
std::vector<T> Copy(Bytes from) {
  std::vector<T> values(from.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), from.data(), values.size() * sizeof(T));
  return values;
}

// The tensor holds whole cache lines, zeros behind the bytes that count.
TensorSource SourceOf(const std::string& name, Bytes bytes) {
  const size_t padding = (kAlignment - bytes.size() % kAlignment) % kAlignment;
  return {name,
          DType::kU8,
          {static_cast<int64_t>(bytes.size() + padding)},
          [bytes, padding](ByteSink& out) {
            static constexpr std::byte kZeros[kAlignment] = {};
            out.Write(bytes);
            out.Write(Bytes(kZeros).first(padding));
          }};
}

}  // namespace

// One matrix: its arrays by the suffix of their names, and the rest as JSON.
struct PackCache::Entry {
  std::string name;
  Json json;
  std::map<std::string, Bytes> arrays;

  Bytes Array(const std::string& suffix) const {
    const auto found = arrays.find(suffix);
    return found == arrays.end() ? Bytes() : found->second;
  }
  WeightBytes View(const std::string& suffix, std::shared_ptr<const void> owner) const {
    const Bytes bytes = Array(suffix);
    return {std::move(owner), bytes.data(), bytes.size()};
  }
  std::string Hash() const {
    Hasher hasher;
    for (const char* suffix : kSuffixes) hasher.Add(Array(suffix));
    return hasher.Finish();
  }
  // `file` is where the arrays lie; `where` names it in errors.
  WeightMatrix Matrix(const std::shared_ptr<const TensorFile>& file,
                      const std::string& where) const;
};

namespace {

Json Describe(const PackedMatrix& matrix) {
  return {{"scheme", Name(matrix.dtype)}, {"n", matrix.n}, {"k", matrix.k}};
}

Json Describe(const QuantizedMatrix& matrix) {
  return {{"scheme", Name(matrix.scheme)},
          {"n", matrix.n},
          {"k", matrix.k},
          {"group", matrix.group},
          {"input_scale", std::bit_cast<uint32_t>(matrix.input_scale)},  // exact
          {"input_offset", matrix.input_offset}};
}

constexpr Range<int64_t> kSize{0, int64_t{1} << 24};

// An empty matrix with everything but its arrays, and how long those must be.
std::optional<PackedMatrix> FloatsOf(const JsonFields& fields) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (fields.String("scheme") != Name(dtype)) continue;
    PackedMatrix matrix;
    matrix.dtype = dtype;
    matrix.n = fields.Integer("n", kSize);
    matrix.k = fields.Integer("k", kSize);
    return matrix;
  }
  return std::nullopt;
}

QuantizedMatrix IntegersOf(const JsonFields& fields) {
  for (QuantScheme scheme : kQuantSchemes) {
    if (fields.String("scheme") != Name(scheme)) continue;
    QuantizedMatrix matrix;
    matrix.scheme = scheme;
    matrix.n = fields.Integer("n", kSize);
    matrix.k = fields.Integer("k", kSize);
    matrix.group = fields.Integer("group", {0, 128});
    matrix.input_scale =
        std::bit_cast<float>(static_cast<uint32_t>(fields.Integer("input_scale", {0, UINT32_MAX})));
    matrix.input_offset =
        static_cast<int32_t>(fields.Integer("input_offset", {INT32_MIN, INT32_MAX}));
    return matrix;
  }
  fields.Reject("scheme", "one that this program packs");
}

template <typename Matrix>
size_t DataBytes(const Matrix& matrix) {
  return static_cast<size_t>(matrix.NumPanels()) * matrix.PanelBytes();
}

// The kernels read as far as n, k and the list of outliers say.
void CheckLengths(const PackedMatrix& matrix, const std::string& where) {
  if (matrix.data.size() < DataBytes(matrix)) Fail("{}: too few bytes", where);
}

void CheckLengths(const QuantizedMatrix& matrix, const std::string& where) {
  const auto outputs = static_cast<size_t>(matrix.NumPanels()) * 16;
  const size_t scales = outputs * static_cast<size_t>(matrix.NumGroups()) * 2;
  const bool grouped = matrix.scheme == QuantScheme::kW4;
  bool fits = matrix.data.size() >= DataBytes(matrix) && matrix.group_scales.size() >= scales &&
              (grouped ? matrix.group > 0 : matrix.output_scale.size() >= outputs) &&
              (!matrix.has_static_input() || matrix.output_bias.size() >= outputs);
  if (matrix.scheme == QuantScheme::kW8A8S) {
    const auto& begin = matrix.outlier_begin;
    fits = fits && begin.size() > outputs && std::is_sorted(begin.begin(), begin.end()) &&
           begin.back() <= matrix.outliers.size();
  }
  if (!fits) Fail("{}: too few bytes for its shape", where);
}

}  // namespace

WeightMatrix PackCache::Entry::Matrix(const std::shared_ptr<const TensorFile>& file,
                                      const std::string& where) const {
  const std::string what = where + ": matrix '" + name + "'";
  const JsonFields fields(json, what);
  if (std::optional<PackedMatrix> matrix = FloatsOf(fields)) {
    matrix->data = View("", file);
    CheckLengths(*matrix, what);
    return *std::move(matrix);
  }
  QuantizedMatrix matrix = IntegersOf(fields);
  matrix.data = View("", file);
  matrix.group_scales = View("/group_scales", file);
  matrix.output_scale = Copy<float>(Array("/output_scale"));
  matrix.output_bias = Copy<int32_t>(Array("/output_bias"));
  matrix.outlier_begin = Copy<uint32_t>(Array("/outlier_begin"));
  matrix.outliers = Copy<uint32_t>(Array("/outliers"));
  CheckLengths(matrix, what);
  return matrix;
}

PackCache::PackCache(PackCacheOptions options, const Checkpoint& checkpoint, const std::string& how)
    : options_(std::move(options)), key_(KeyOf(checkpoint, how)) {
  std::error_code code;
  fs::create_directories(options_.directory, code);
  if (code || !fs::is_directory(options_.directory)) {
    Fail("{}: cannot be made a directory for pack files: {}", options_.directory.string(),
         code ? code.message() : "it is a file");
  }
  path_ = options_.directory / FileName(checkpoint.directory(), how);
  if (!fs::exists(path_)) return;
  try {
    Open();
    Note(path_.string() + ": packed weights are mapped");
  } catch (const Error& error) {
    file_ = nullptr;
    matrices_.clear();
    Note(std::string(error.what()) + "; the weights are packed anew");
  }
}

PackCache::~PackCache() = default;

void PackCache::Note(const std::string& text) const {
  if (options_.on_note) options_.on_note(text);
}

void PackCache::Open() {
  auto file = std::make_shared<const TensorFile>(path_);
  const std::string where = path_.string();
  const auto metadata = [&](const char* name) {
    const auto found = file->contents().metadata.find(name);
    return found == file->contents().metadata.end() ? std::string() : found->second;
  };
  if (metadata("ixc_pack") != kVersion) Fail("{}: another version of the format", where);
  if (metadata("key") != key_) {
    Fail("{}: the weight files or options are not those that it was made from", where);
  }
  std::map<std::string, Bytes> tensors;
  for (const NamedTensor& tensor : file->contents().tensors) {
    tensors[tensor.name] = {tensor.view.data, tensor.view.NumBytes()};
  }
  const Json matrices = ParseJson(metadata("matrices"), where);
  for (const auto& [name, json] : matrices.items()) {
    const JsonFields fields(json, where);
    const JsonFields sizes = fields.Object("bytes");
    Entry entry{name, json, {}};
    for (const char* suffix : kSuffixes) {
      if (!sizes.Has(suffix)) continue;
      const Bytes stored = tensors[name + suffix];
      const int64_t size = sizes.Integer(suffix, {0, static_cast<int64_t>(stored.size())});
      entry.arrays[suffix] = stored.first(static_cast<size_t>(size));
    }
    if (options_.verify && entry.Hash() != fields.String("hash")) {
      Fail("{}: matrix '{}' is damaged", where, name);
    }
    matrices_.emplace(name, entry.Matrix(file, where));
  }
  file_ = std::move(file);
}

std::optional<WeightMatrix> PackCache::Take(const std::string& name) {
  const auto found = matrices_.find(name);
  if (found == matrices_.end()) return std::nullopt;
  WeightMatrix matrix = std::move(found->second);
  matrices_.erase(found);
  return matrix;
}

void PackCache::Add(const std::string& name, const WeightMatrix& matrix) {
  if (is_fresh()) return;
  Entry entry{name, std::visit([](const auto& any) { return Describe(any); }, matrix), {}};
  if (const auto* floats = std::get_if<PackedMatrix>(&matrix)) {
    entry.arrays[""] = BytesOf(floats->data);
  } else {
    const auto& integers = std::get<QuantizedMatrix>(matrix);
    entry.arrays = {{"", BytesOf(integers.data)},
                    {"/group_scales", BytesOf(integers.group_scales)},
                    {"/output_scale", BytesOf(integers.output_scale)},
                    {"/output_bias", BytesOf(integers.output_bias)},
                    {"/outlier_begin", BytesOf(integers.outlier_begin)},
                    {"/outliers", BytesOf(integers.outliers)}};
  }
  std::erase_if(entry.arrays, [](const auto& array) { return array.second.empty(); });
  entries_.insert_or_assign(name, std::move(entry));
}

void PackCache::Save() {
  if (is_fresh()) return;
  Json matrices = Json::object();
  std::vector<TensorSource> tensors;
  for (auto& [name, entry] : entries_) {
    for (const auto& [suffix, bytes] : entry.arrays) {
      entry.json["bytes"][suffix] = bytes.size();
      tensors.push_back(SourceOf(name + suffix, bytes));
    }
    entry.json["hash"] = entry.Hash();
    matrices[name] = entry.json;
  }
  try {
    WriteSafetensors(path_, std::move(tensors),
                     {{"ixc_pack", kVersion}, {"key", key_}, {"matrices", ToText(matrices)}},
                     kAlignment);
    Note(path_.string() + ": packed weights are written");
  } catch (const Error& error) {  // a full disk is no reason not to answer
    Note(std::string(error.what()) + "; the next start packs again");
  }
}

}  // namespace ixc
