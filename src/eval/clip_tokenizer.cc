#include "eval/clip_tokenizer.h"

#include <unicode/uchar.h>
#include <zlib.h>

#include <array>
#include <limits>
#include <memory>

#include "base/error.h"
#include "eval/clip_text.h"

namespace ixc {
namespace {

constexpr size_t kMaxMergesBytes = 64 << 20;
constexpr std::string_view kWordEnd = "</w>";
constexpr std::u32string_view kStart = U"<start_of_text>";
constexpr std::u32string_view kEnd = U"<end_of_text>";

// gzip or plain.
std::string ReadText(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr)
    Fail("{}: the merges of the judge's tokenizer cannot be opened", path.string());
  std::string text;
  std::array<char, 1 << 16> buffer;
  int count = 0;
  while ((count = gzread(file.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > kMaxMergesBytes)
      Fail("{}: more than {} bytes", path.string(), kMaxMergesBytes);
  }
  if (count < 0) Fail("{}: broken gzip file; get it again", path.string());
  return text;
}

// GPT-2's table: printable bytes stand for themselves, the others in order for U+0100 ….
// The order of the vocabulary is that of the table: the printable ones first.
struct ByteTable {
  std::vector<std::string> symbols = std::vector<std::string>(256);
  std::vector<std::string> order;

  ByteTable() {
    const auto is_plain = [](int byte) {
      return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    };
    char32_t next = 0x100;
    for (bool plain : {true, false}) {
      for (int byte = 0; byte < 256; ++byte) {
        if (is_plain(byte) != plain) continue;
        const char32_t c = plain ? static_cast<char32_t>(byte) : next++;
        symbols[static_cast<size_t>(byte)] = ToUtf8(std::u32string(1, c));
        order.push_back(symbols[static_cast<size_t>(byte)]);
      }
    }
  }
};

enum class CharacterClass { kSpace, kLetter, kNumber, kOther };

CharacterClass ClassOf(char32_t c) {
  const UChar32 code = static_cast<UChar32>(c);
  const uint32_t mask = U_MASK(u_charType(code));
  if ((mask & U_GC_L_MASK) != 0) return CharacterClass::kLetter;
  if ((mask & U_GC_N_MASK) != 0) return CharacterClass::kNumber;
  return u_isUWhiteSpace(code) != 0 ? CharacterClass::kSpace : CharacterClass::kOther;
}

// Length of the contraction at the front of `text`, 0 if there is none.
size_t ContractionLength(std::u32string_view text) {
  for (std::u32string_view ending : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (text.starts_with(ending)) return ending.size();
  }
  return 0;
}

// Length of the word at the front of `text`, which does not begin with white space.
size_t WordLength(std::u32string_view text) {
  if (const size_t length = ContractionLength(text)) return length;
  const CharacterClass first = ClassOf(text[0]);
  if (first == CharacterClass::kNumber) return 1;
  size_t length = 1;
  while (length < text.size() && ClassOf(text[length]) == first) ++length;
  return length;
}

}  // namespace

ClipTokenizer::ClipTokenizer(const std::filesystem::path& merges, int64_t vocab_size,
                             int64_t context_length)
    : context_length_(static_cast<size_t>(context_length)) {
  const ByteTable bytes;
  symbols_ = bytes.symbols;
  const auto add = [&](std::string name) {
    ids_.emplace(std::move(name), static_cast<int32_t>(ids_.size()));
  };
  for (const std::string& symbol : bytes.order) add(symbol);
  for (const std::string& symbol : bytes.order) add(symbol + std::string(kWordEnd));
  const int64_t wanted = vocab_size - 514;
  const std::string text = ReadText(merges);
  size_t place = text.find('\n');  // the first line is a heading
  for (int64_t rank = 0; rank < wanted; ++rank) {
    const size_t begin = place == text.npos ? text.size() : place + 1;
    place = text.find('\n', begin);
    const std::string line = text.substr(begin, place == text.npos ? place : place - begin);
    const size_t gap = line.find(' ');
    if (gap == line.npos) {
      Fail("{}: {} merges; a vocabulary of {} needs {}: it belongs to another model",
           merges.string(), rank, vocab_size, wanted);
    }
    std::string second = line.substr(gap + 1);
    if (second.ends_with('\r')) second.pop_back();
    const std::string first = line.substr(0, gap);
    ranks_.emplace(Pair(first, second), ranks_.size());
    // Two pairs may join to one name; each still has its number, and the last one keeps the name.
    ids_[first + second] = static_cast<int32_t>(512 + rank);
  }
  end_id_ = static_cast<int32_t>(vocab_size - 1);
}

void ClipTokenizer::AppendWord(std::string_view bytes, std::vector<int32_t>& ids) const {
  std::vector<std::string> parts;
  for (char byte : bytes) parts.push_back(symbols_[static_cast<unsigned char>(byte)]);
  parts.back() += kWordEnd;
  while (parts.size() > 1) {
    size_t best = std::numeric_limits<size_t>::max();
    Pair pair;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto found = ranks_.find({parts[i], parts[i + 1]});
      if (found == ranks_.end() || found->second >= best) continue;
      best = found->second;
      pair = found->first;
    }
    if (best == std::numeric_limits<size_t>::max()) break;
    std::vector<std::string> merged;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i + 1 < parts.size() && parts[i] == pair.first && parts[i + 1] == pair.second) {
        merged.push_back(pair.first + pair.second);
        ++i;
      } else {
        merged.push_back(std::move(parts[i]));
      }
    }
    parts = std::move(merged);
  }
  for (const std::string& part : parts) ids.push_back(ids_.at(part));
}

std::vector<int32_t> ClipTokenizer::Encode(std::string_view text) const {
  const std::u32string clean = CleanClipText(text);
  std::u32string_view rest = clean;
  std::vector<int32_t> ids = {start_id()};
  // What is beyond the context is cut anyway.
  while (!rest.empty() && ids.size() < context_length_) {
    size_t length = 1;
    if (rest.starts_with(kStart)) {
      length = kStart.size();
      ids.push_back(start_id());
    } else if (rest.starts_with(kEnd)) {
      length = kEnd.size();
      ids.push_back(end_id());
    } else if (ClassOf(rest[0]) != CharacterClass::kSpace) {
      length = WordLength(rest);
      AppendWord(ToUtf8(std::u32string(rest.substr(0, length))), ids);
    }
    rest.remove_prefix(length);
  }
  ids.push_back(end_id());
  if (ids.size() > context_length_) {
    ids.resize(context_length_);
    ids.back() = end_id();
  }
  ids.resize(context_length_, 0);
  return ids;
}

}  // namespace ixc
