#include "cli/tokenize.h"

#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "text/tokenizer.h"

namespace ixc {
namespace {

std::string EncodeLine(const Tokenizer& tokenizer, const Json& value) {
  if (!value.is_string()) Fail("wanted a JSON string, found {}", value.type_name());
  return Json(tokenizer.Encode(value.get_ref<const std::string&>())).dump();
}

std::string DecodeLine(const Tokenizer& tokenizer, const Json& value) {
  if (!value.is_array()) Fail("wanted a JSON list of token ids, found {}", value.type_name());
  std::vector<int32_t> ids;
  for (const Json& item : value) {
    const bool is_id = item.is_number_integer() && item >= 0 && item < tokenizer.vocab_size();
    if (!is_id)
      Fail("wanted token ids from 0 to {}, found {}", tokenizer.vocab_size() - 1, item.dump());
    ids.push_back(item.get<int32_t>());
  }
  return ToText(Json(tokenizer.Decode(ids, /*skip_special=*/true)));
}

// The next line without its end; false after the last one. Whoever writes the input does not decide
// how much memory it takes.
bool ReadLine(std::istream& in, const std::string& where, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  for (int c; (c = buffer.sbumpc()) != std::char_traits<char>::eof();) {
    if (c == '\n') return true;
    if (line.size() == kMaxJsonBytes) Fail("{}: longer than {} bytes", where, kMaxJsonBytes);
    line.push_back(static_cast<char>(c));
  }
  return !line.empty();
}

}  // namespace

std::string AnswerLine(const Tokenizer& tokenizer, std::string_view line, const std::string& where,
                       bool decode) {
  const Json value = ParseJson(line, where);
  try {
    return decode ? DecodeLine(tokenizer, value) : EncodeLine(tokenizer, value);
  } catch (const Error& error) {
    Fail("{}: {}", where, error.what());
  }
}

int RunTokenize(const TokenizeOptions& options) {
  const Tokenizer tokenizer = Tokenizer::Load(options.model_dir);
  std::string line;
  for (int64_t number = 1;; ++number) {
    const std::string where = fmt::format("standard input, line {}", number);
    if (!ReadLine(std::cin, where, line)) break;
    std::cout << AnswerLine(tokenizer, line, where, options.decode)
              << std::endl;  // flushed: whoever asks may wait for it
    if (!std::cout) Fail("cannot write to standard output; the answer to line {} is lost", number);
  }
  return 0;
}

}  // namespace ixc
