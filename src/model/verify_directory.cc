#include "model/verify_directory.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/text_lines.h"
#include "formats/sha256.h"
#include "formats/tensor_catalog.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGetBoth = "download the index and the file again";
constexpr size_t kHashBytes = size_t{8} << 20;  // at a time
constexpr size_t kMostOfAKind = 20;             // findings that say the same are counted from here

bool IsSha256(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// A checksum that a file should have, and who says so.
struct Expectation {
  std::string sha256;
  std::string source;
};

std::map<std::string, Expectation> ReadSha256List(const fs::path& path) {
  std::map<std::string, Expectation> list;
  const MappedFile file(path);
  std::string_view text = file.text();
  for (int line_number = 1; !text.empty(); ++line_number) {
    std::string_view line = TakeLine(text);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const std::string_view digits = line.substr(0, line.find_first_of(" \t"));
    size_t name = line.find_first_not_of(" \t*", digits.size());
    if (!IsSha256(digits) || name == line.npos) {
      Fail("{}: line {} wanted 64 hexadecimal digits and a file name", path.string(), line_number);
    }
    if (line.substr(name).starts_with("./")) name += 2;
    std::string lower(digits);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    list[std::string(line.substr(name))] = {lower, path.filename().string()};
  }
  return list;
}

class Verifier {
 public:
  Verifier(const fs::path& directory, const VerifyOptions& options)
      : directory_(directory), options_(options) {}

  VerifyReport Run() {
    std::error_code code;
    if (!fs::is_directory(directory_, code)) {
      Fail("{}: wanted a model directory, found {}", directory_.string(),
           fs::exists(directory_, code) ? "a file" : "nothing");
    }
    Try(directory_.string(), "split the weights for one rank",
        [&] { folder_ = WeightFolder(directory_); });
    ListExpectedChecksums();
    ListFiles();
    CountWork();
    CheckJsonFiles();
    OpenFiles();
    CheckIndex();
    CheckWhole();
    CheckTensors();
    CheckTokenizer();
    CheckValues();
    CheckChecksums();
    return std::move(report_);
  }

 private:
  using WeightMap = std::map<std::string, std::string>;

  void Error(std::string where, std::string problem, std::string advice) {
    report_.findings.push_back({true, std::move(where), std::move(problem), std::move(advice)});
  }
  void Warn(std::string where, std::string problem, std::string advice) {
    report_.findings.push_back({false, std::move(where), std::move(problem), std::move(advice)});
  }
  std::string PathOf(const std::string& name) const { return (directory_ / name).string(); }

  std::string WeightPath(const std::string& name) const { return (folder_ / name).string(); }

  // Runs a check that throws; its line becomes a finding.
  template <typename Check>
  bool Try(const std::string& where, const char* advice, Check check) {
    try {
      check();
      return true;
    } catch (const ixc::Error& error) {
      std::string_view problem = error.what();
      if (problem.starts_with(where + ": ")) problem.remove_prefix(where.size() + 2);
      constexpr std::string_view kSame = "; download it again";
      if (problem.ends_with(kSame)) problem.remove_suffix(kSame.size());
      Error(where, std::string(problem), advice);
      return false;
    }
  }

  void ListExpectedChecksums() {
    if (!options_.sha256_list.empty()) checksums_ = ReadSha256List(options_.sha256_list);
    std::error_code code;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_, code)) {
      if (!entry.is_symlink(code)) continue;
      const std::string target = fs::read_symlink(entry.path(), code).filename().string();
      if (IsSha256(target)) {
        checksums_.try_emplace(entry.path().filename().string(),
                               Expectation{target, "the Hugging Face cache"});
      }
    }
  }

  // Weight files that are there or that the index names, of the preferred family.
  void ListFiles() {
    for (std::string_view extension : {".safetensors", ".bin"}) {
      const std::string index_end = std::string(extension) + ".index.json";
      std::error_code code;
      for (const fs::directory_entry& entry : fs::directory_iterator(folder_, code)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with('.')) continue;
        if (name.ends_with(index_end)) index_name_ = name;
        if (name.ends_with(extension) && !IsTrainingState(name)) files_.emplace(name, nullptr);
      }
      if (!files_.empty() || !index_name_.empty()) break;
    }
    if (index_name_.empty()) return;
    Try(WeightPath(index_name_), "download the index again", [&] {
      const MappedFile file(folder_ / index_name_);
      weight_map_ = ParseWeightIndex(file.text(), WeightPath(index_name_));
    });
    std::map<std::string, size_t> missing;
    for (const auto& [tensor, file] : weight_map_) {
      std::error_code code;
      if (!fs::exists(folder_ / file, code)) ++missing[file];
    }
    for (const auto& [file, count] : missing) {
      files_.erase(file);
      Error(WeightPath(file), fmt::format("is missing; the index has {} tensors in it", count),
            "the download is incomplete: fetch this file");
    }
  }

  void CountWork() {
    std::error_code code;
    for (const auto& [name, file] : files_) {
      const uintmax_t size = fs::file_size(folder_ / name, code);
      if (!code) total_work_ += size;
    }
    report_.num_bytes = total_work_;
    report_.num_files = files_.size();
    for (const auto& [name, expected] : checksums_) {
      const uintmax_t size = fs::file_size(directory_ / name, code);
      if (!code) total_work_ += size;
    }
  }

  void Advance(uint64_t bytes) {
    if (!options_.on_progress || total_work_ == 0) return;
    const double done = static_cast<double>(done_work_ + bytes);
    options_.on_progress(std::min(1.0, done / static_cast<double>(total_work_)));
  }

  void CheckJsonFiles() {
    Try(PathOf("config.json"), "take the model's own config.json",
        [&] { config_ = ReadModelConfig(directory_); });
    Try(PathOf("generation_config.json"), "take the model's own file, or remove this one",
        [&] { generation_ = ReadGenerationConfig(directory_); });
    Try(PathOf("adapter_config.json"), "take the model's own file, or remove this one",
        [&] { ReadLoraConfig(directory_); });
    Try(PathOf("lora_adapter.json"), "let it name one directory",
        [&] { ReadLoraDirectory(directory_); });
  }

  void OpenFiles() {
    if (files_.empty()) {
      Error(directory_.string(), "no weights",
            "download model.safetensors or pytorch_model.bin, or all files of the index");
    }
    for (auto& [name, file] : files_) {
      Try(WeightPath(name), "download this file again", [&, &file_name = name, &opened = file] {
        opened = std::make_unique<TensorFile>(folder_ / file_name);
      });
      if (file == nullptr) continue;
      for (const NamedTensor& tensor : file->contents().tensors) {
        ++report_.num_tensors;
        const auto [it, added] = tensors_.emplace(tensor.name, Place{&tensor.view, name});
        if (added) continue;
        Error(WeightPath(name),
              fmt::format("tensor '{}' is in '{}' too", tensor.name, it->second.file),
              "keep the files of one model in a directory");
      }
    }
  }

  void CheckIndex() {
    if (weight_map_.empty()) return;
    Limited absent(*this), strange(*this);
    for (const auto& [tensor, file] : weight_map_) {
      const auto opened = files_.find(file);
      if (opened == files_.end() || opened->second == nullptr) continue;  // reported already
      const auto it = tensors_.find(tensor);
      if (it != tensors_.end() && it->second.file == file) continue;
      absent.Add({true, WeightPath(file),
                  fmt::format("tensor '{}' is in the index and not in this file", tensor),
                  kGetBoth});
    }
    for (const auto& [tensor, place] : tensors_) {
      if (weight_map_.contains(tensor)) continue;
      strange.Add({false, WeightPath(place.file),
                   fmt::format("tensor '{}' is not in the index", tensor), kGetBoth});
    }
  }

  // As it would be opened to run.
  void CheckWhole() {
    const bool had_errors = report_.HasErrors();
    try {
      whole_ = WeightDirectory::Open(directory_, options_.directory);
      report_.kind = Name(whole_->kind);
      for (const std::string& line : whole_->warnings) {
        Warn(directory_.string(), WithoutDirectory(line), "nothing, if that is meant");
      }
      CheckGenerationLength();
    } catch (const ixc::Error& error) {
      // After other findings this is a consequence of one of them.
      if (!had_errors) {
        Error(directory_.string(), WithoutDirectory(error.what()),
              "compare with the model's own page");
      }
    }
  }

  std::string WithoutDirectory(std::string_view line) const {
    const std::string where = directory_.string() + ": ";
    if (line.starts_with(where)) line.remove_prefix(where.size());
    return std::string(line);
  }

  // The original tool set tells the two models apart by this number.
  void CheckGenerationLength() {
    constexpr int64_t kVlLength = 1600;
    constexpr int64_t kHdLength = 4480;
    const int64_t other = whole_->kind == ModelKind::kVl ? kHdLength : kVlLength;
    if (generation_.max_length != other) return;
    Warn(PathOf("generation_config.json"),
         fmt::format("max_length {} is that of the other model; this one is {}", other,
                     report_.kind),
         "take the model's own file");
  }

  // Quantized directories hold integers where the float ones have weights.
  bool IsQuantized() const {
    std::error_code code;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_, code)) {
      if (entry.path().filename().string().starts_with("quant_model_description")) return true;
    }
    return false;
  }

  ModelKind GuessKind() const {
    if (whole_) return whole_->kind;
    const bool separators =
        tensors_.contains("plora_glb_GN") || weight_map_.contains("plora_glb_GN");
    return separators ? ModelKind::k4khd : ModelKind::kVl;
  }

  void CheckTensors() {
    if (!config_ || tensors_.empty()) return;
    const bool complete = std::all_of(files_.begin(), files_.end(),
                                      [](const auto& file) { return file.second != nullptr; });
    const bool quantized = IsQuantized();
    Limited missing(*this), wrong(*this);
    for (const ExpectedTensor& expected : ExpectedTensors(*config_, GuessKind())) {
      const auto it = tensors_.find(expected.name);
      const TensorView* view = it != tensors_.end() ? it->second.view
                               : whole_             ? whole_->checkpoint.Find(expected.name)
                                                    : nullptr;
      if (view == nullptr) {
        const bool allowed = whole_ && expected.name.find("Plora_") != std::string::npos;
        if (!complete || weight_map_.contains(expected.name) || allowed || quantized) continue;
        missing.Add({true, directory_.string(),
                     fmt::format("tensor '{}' is missing", expected.name),
                     "the download is incomplete, or it is another model"});
        continue;
      }
      if (quantized && !IsFloat(view->dtype)) continue;
      if (Fits(*view, expected)) continue;
      wrong.Add({true, directory_.string(),
                 fmt::format("tensor '{}' wanted F32, F16 or BF16 {}, found {} {}", expected.name,
                             WantedShape(expected), Name(view->dtype), ShapeString(view->shape)),
                 "config.json and weights are of different models: take both from one"});
    }
  }

  static bool Fits(const TensorView& view, const ExpectedTensor& expected) {
    if (!IsFloat(view.dtype) || view.shape.size() != expected.shape.size()) return false;
    for (size_t i = 0; i < view.shape.size(); ++i) {
      const bool free =
          expected.shape[i] == kAnySize || (i == 0 && expected.name == kPositionTable);
      if (!free && view.shape[i] != expected.shape[i]) return false;
    }
    return true;
  }

  static std::string WantedShape(const ExpectedTensor& expected) {
    std::string text = ShapeString(expected.shape);
    const size_t any = text.find("-1");
    return any == text.npos ? text : text.replace(any, 2, "rank");
  }

  void CheckTokenizer() {
    Try(PathOf("tokenizer.model"), "take the model's own tokenizer.model", [&] {
      const Tokenizer tokenizer = Tokenizer::Load(directory_);
      StopIds(tokenizer);
      if (!config_) return;
      const int64_t pieces = tokenizer.vocab_size();
      if (pieces > config_->vocab_size) {
        Fail("has {} pieces, config.json says vocab_size {}", pieces, config_->vocab_size);
      }
      constexpr int64_t kPadding = 1024;  // some round the table up
      if (config_->vocab_size - pieces > kPadding) {
        Warn(PathOf("tokenizer.model"),
             fmt::format("has {} pieces, the vocabulary {} rows", pieces, config_->vocab_size),
             "check that it is the model's own");
      }
      if (tokenizer.bos_id() != config_->bos_token_id ||
          tokenizer.eos_id() != config_->eos_token_id) {
        Fail("begin and end of text are {} and {}, config.json says {} and {}", tokenizer.bos_id(),
             tokenizer.eos_id(), config_->bos_token_id, config_->eos_token_id);
      }
    });
  }

  void CheckValues() {
    for (const auto& [name, file] : files_) {
      if (file == nullptr) continue;
      Limited limited(*this);
      for (Finding& finding : VerifyValues(*file, [&](uint64_t bytes) { Advance(bytes); })) {
        limited.Add(std::move(finding));
      }
      done_work_ += file->size();
    }
  }

  void CheckChecksums() {
    for (const auto& [name, expected] : checksums_) {
      Try(PathOf(name), "download this file", [&, &checksum = expected, &file_name = name] {
        const MappedFile file(directory_ / file_name);
        const std::string found = HashOf(file);
        ++report_.num_checksums;
        if (found == checksum.sha256) return;
        Error(PathOf(file_name),
              fmt::format("sha256 is {}, {} says {}", found, checksum.source, checksum.sha256),
              "download this file again");
      });
    }
  }

  std::string HashOf(const MappedFile& file) {
    Sha256Hash hash;
    std::span<const std::byte> rest = file.bytes();
    while (!rest.empty()) {
      const auto bytes = rest.first(std::min(rest.size(), kHashBytes));
      hash.Update(bytes);
      file.Release(bytes);
      done_work_ += bytes.size();
      Advance(0);
      rest = rest.subspan(bytes.size());
    }
    return hash.Finish();
  }

  // Hundreds of tensors with one cause are reported as a few and a count.
  class Limited {
   public:
    explicit Limited(Verifier& verifier) : verifier_(verifier) {}
    ~Limited() {
      if (count_ <= kMostOfAKind) return;
      last_.problem = fmt::format("{} more like these", count_ - kMostOfAKind);
      verifier_.report_.findings.push_back(std::move(last_));
    }
    Limited(const Limited&) = delete;
    Limited& operator=(const Limited&) = delete;

    void Add(Finding finding) {
      if (++count_ <= kMostOfAKind) {
        verifier_.report_.findings.push_back(std::move(finding));
      } else {
        last_ = std::move(finding);
      }
    }

   private:
    Verifier& verifier_;
    size_t count_ = 0;
    Finding last_;
  };

  struct Place {
    const TensorView* view;
    std::string file;
  };

  const fs::path& directory_;
  const VerifyOptions& options_;
  fs::path folder_ = directory_;  // of the weight files
  VerifyReport report_;
  std::map<std::string, Expectation> checksums_;
  std::map<std::string, std::unique_ptr<TensorFile>> files_;  // nullptr: does not open
  std::string index_name_;
  WeightMap weight_map_;
  std::map<std::string, Place> tensors_;
  std::optional<ModelConfig> config_;
  GenerationConfig generation_;
  std::optional<WeightDirectory> whole_;
  uint64_t total_work_ = 0;
  uint64_t done_work_ = 0;
};

}  // namespace

bool VerifyReport::HasErrors() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.is_error; });
}

VerifyReport VerifyDirectory(const fs::path& directory, const VerifyOptions& options) {
  return Verifier(directory, options).Run();
}

}  // namespace ixc
