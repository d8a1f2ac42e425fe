// ixc tokenize: JSON lines from standard input to standard output, one answer a line.
//
// A line holds a string and gives the list of its token ids, without BOS; with `decode` it holds a
// list of ids and gives their text, without special tokens. Text is taken raw, as the reference
// does: control strings in it are control tokens.
#pragma once

#include <string>
#include <string_view>

namespace ixc {

class Tokenizer;

struct TokenizeOptions {
  std::string model_dir;  // a directory with tokenizer.model, or that file
  bool decode = false;
};

// The answer to one line; `where` names it in errors.
std::string AnswerLine(const Tokenizer& tokenizer, std::string_view line, const std::string& where,
                       bool decode);

// Returns the exit code. Throws ixc::Error, naming the line, at the first line that is wrong; the
// lines before it are answered by then.
int RunTokenize(const TokenizeOptions& options);

}  // namespace ixc
