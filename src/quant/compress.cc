#include "quant/compress.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "base/atomic_directory.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/running_names.h"
#include "formats/safetensors.h"
#include "formats/tensor_catalog.h"
#include "formats/weight_directory.h"
#include "quant/copied_files.h"
#include "quant/nibble_codec.h"
#include "quant/tp_split.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

// Rows and columns of a tensor that one rank has; a vector has one column.
struct Part {
  TensorView tensor;
  Slice rows, columns;
  bool zero = false;  // quant_bias of a rank that is not the first

  int64_t num_rows() const { return rows.end - rows.begin; }
  int64_t num_columns() const { return columns.end - columns.begin; }
  size_t RowBytes() const { return static_cast<size_t>(num_columns()) * SizeOf(tensor.dtype); }
  void ReadRow(int64_t row, std::byte* to) const {
    if (zero) {
      std::memset(to, 0, RowBytes());
      return;
    }
    const int64_t width = tensor.NumElements() / std::max<int64_t>(tensor.shape[0], 1);
    const int64_t at = (rows.begin + row) * width + columns.begin;
    std::memcpy(to, tensor.data + static_cast<size_t>(at) * SizeOf(tensor.dtype), RowBytes());
  }
};

class Compressor {
 public:
  Compressor(const fs::path& source, int num_ranks, const std::function<void(double)>& on_progress)
      : source_(source), num_ranks_(num_ranks), on_progress_(on_progress) {
    directory_ = WeightDirectory::Open(source);
    if (!directory_.quantization || directory_.quantization->type != "w8a8s") {
      Fail("{}: is {}; only w8a8s directories can be compressed (ixc quantize --scheme w8a8s)",
           source.string(),
           directory_.quantization ? directory_.quantization->type : std::string("not quantized"));
    }
    CheckRanks(directory_.config, num_ranks);
    for (std::string_view name : directory_.checkpoint.names()) {
      total_ += directory_.checkpoint.Find(name)->NumBytes();
    }
    total_ *= static_cast<uint64_t>(num_ranks);
  }

  void WritePart(const fs::path& to, int rank) {
    std::error_code code;
    fs::create_directory(to, code);
    if (code) Fail("{}: cannot be created: {}", to.string(), code.message());
    std::vector<TensorSource> sources;
    Json description;
    description["version"] = "1.0.0";
    description["model_quant_type"] = "W8A8SC";
    description["metadata"] = {{"codec", kNibbleCodecName}};
    for (std::string_view tensor : directory_.checkpoint.names()) {
      const std::string name(tensor);
      if (IsSecondOfPair(name)) continue;
      const std::vector<Part> parts = PartsOf(name, rank);
      const std::string running = RunningName(PackedNameOf(name));
      const std::string& tag = directory_.quantization->TagOf(name);
      const bool is_weight = tag == "W8A8S" && name.ends_with(".weight");
      std::vector<TensorSource> written;
      if (is_weight) {
        written = Compressed(running, parts);
      } else {
        written.push_back(Plain(running, parts));
      }
      for (TensorSource& source : written) {
        description[source.name] = is_weight ? "W8A8SC" : tag;
        report_.num_bytes += source.NumBytes();
        sources.push_back(std::move(source));
      }
    }
    WriteSafetensors(to / "quant_model_weight_w8a8sc.safetensors", std::move(sources));
    WriteWholeFile(to / "quant_model_description.json", ToText(description, 2));
  }

  CompressReport Finish(const fs::path& to) {
    Json config = ReadJsonFile(source_ / "config.json");
    config["quantize"] = "w8a8sc";
    WriteWholeFile(to / "config.json", ToText(config, 4));
    CopySmallFiles(source_, to);
    return report_;
  }

 private:
  void Progress(uint64_t bytes) {
    done_ += bytes;
    if (on_progress_) {
      on_progress_(std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)));
    }
  }

  // w1 and w3 are packed where both are integers.
  bool IsPacked(const std::string& name) const {
    return directory_.quantization->TagOf(name) == "W8A8S";
  }
  bool IsSecondOfPair(const std::string& name) const {
    return IsPacked(name) && name.find(".feed_forward.w3.") != name.npos;
  }
  std::string PackedNameOf(const std::string& name) const {
    return IsPacked(name) ? PackedName(name) : name;
  }

  Part PartOf(const std::string& name, int rank) const {
    const TensorView* tensor = directory_.checkpoint.Find(name);
    if (tensor == nullptr) {
      Fail("{}: tensor '{}' is missing beside its partner", source_.string(), name);
    }
    Part part;
    part.tensor = *tensor;
    const int64_t rows = tensor->shape.empty() ? 1 : tensor->shape[0];
    const int64_t columns = tensor->NumElements() / std::max<int64_t>(rows, 1);
    const SplitAxis axis = AxisOf(name);
    part.rows = axis == SplitAxis::kRows ? SliceOf(rows, rank, num_ranks_) : Slice{0, rows};
    part.columns =
        axis == SplitAxis::kColumns ? SliceOf(columns, rank, num_ranks_) : Slice{0, columns};
    part.zero = rank > 0 && IsFirstRankOnly(name);
    return part;
  }

  // What one name of the rank is stacked from: w1 and w3, or the tensor itself.
  std::vector<Part> PartsOf(const std::string& name, int rank) const {
    std::vector<Part> parts = {PartOf(name, rank)};
    const bool one_each = name.ends_with(".input_scale") || name.ends_with(".input_offset");
    if (PackedNameOf(name) == name || one_each) return parts;
    std::string second = name;
    second.replace(second.find(".w1."), 4, ".w3.");
    parts.push_back(PartOf(second, rank));
    return parts;
  }

  TensorSource Plain(const std::string& name, const std::vector<Part>& parts) {
    TensorSource source;
    source.name = name;
    source.dtype = parts[0].tensor.dtype;
    source.shape = parts[0].tensor.shape;
    if (!source.shape.empty()) {
      source.shape[0] = 0;
      for (const Part& part : parts) source.shape[0] += part.num_rows();
    }
    if (source.shape.size() == 2) source.shape[1] = parts[0].num_columns();
    source.write = [this, parts](ByteSink& out) {
      for (const Part& part : parts) {
        std::vector<std::byte> row(part.RowBytes());
        for (int64_t r = 0; r < part.num_rows(); ++r) {
          part.ReadRow(r, row.data());
          out.Write(row);
        }
        Progress(row.size() * static_cast<uint64_t>(part.num_rows()));
      }
    };
    return source;
  }

  // X.weight, X.index and X.info. The stream's size must be known before anything is written, so a
  // matrix is coded twice rather than kept.
  std::vector<TensorSource> Compressed(const std::string& name, const std::vector<Part>& parts) {
    const std::string prefix = LinearOf(name);
    int64_t n = 0;
    for (const Part& part : parts) n += part.num_rows();
    const int64_t k = parts[0].num_columns();
    const auto encode = [parts, n, k] {
      return EncodeNibbles(n, k, [&parts](int64_t row, std::span<int8_t> to) {
        size_t part = 0;
        for (; row >= parts[part].num_rows(); ++part) row -= parts[part].num_rows();
        parts[part].ReadRow(row, reinterpret_cast<std::byte*>(to.data()));
      });
    };
    const NibbleCoded coded = encode();
    report_.num_weights += static_cast<uint64_t>(n) * static_cast<uint64_t>(k);
    report_.compressed_bytes += coded.stream.size() + coded.index.size();
    Progress(coded.stream.size());
    TensorSource weight, index, info;
    weight.name = prefix + ".weight";
    weight.dtype = index.dtype = DType::kI8;
    weight.shape = {static_cast<int64_t>(coded.stream.size())};
    weight.write = [this, encode](ByteSink& out) {
      const NibbleCoded again = encode();
      out.Write(again.stream);
      Progress(again.stream.size());
    };
    index.name = prefix + ".index";
    index.shape = {static_cast<int64_t>(coded.index.size())};
    index.write = [bytes = coded.index](ByteSink& out) { out.Write(bytes); };
    info.name = prefix + ".info";
    info.dtype = DType::kI64;
    info.shape = {5};
    info.write = [k, n](ByteSink& out) {
      const int64_t values[] = {1, 1, k, n, kNibbleCodec};
      out.Write(std::as_bytes(std::span(values)));
    };
    return {std::move(weight), std::move(index), std::move(info)};
  }

  fs::path source_;
  int num_ranks_;
  const std::function<void(double)>& on_progress_;
  WeightDirectory directory_;
  CompressReport report_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
};

}  // namespace

CompressReport CompressDirectory(const fs::path& source, const fs::path& destination, int num_ranks,
                                 const std::function<void(double share)>& on_progress) {
  Compressor compressor(source, num_ranks, on_progress);
  AtomicDirectory directory(destination);
  for (int rank = 0; rank < num_ranks; ++rank) {
    compressor.WritePart(directory.temporary() / fmt::format("part{}-of-{}", rank, num_ranks),
                         rank);
  }
  const CompressReport report = compressor.Finish(directory.temporary());
  directory.Commit();
  return report;
}

}  // namespace ixc
