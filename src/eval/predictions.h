// The original's files of answers: one JSON object {picture: answer}, and two of them side by side.
//
// Bytes are those of Python's json.dump with its defaults and sorted keys: ", " and ": " between
// values, everything beyond ASCII as \uXXXX, keys by code point, no newline at the end.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ixc {

// Picture to answer. Keys are paths or file names; sorted by byte, which for UTF-8 is by code
// point.
using Predictions = std::map<std::string, std::string>;

// Throws when the file is no JSON object of strings.
Predictions ReadPredictions(const std::filesystem::path& path);

std::string FormatPredictions(const Predictions& predictions);

// Replaces the file as a whole: a reader, or a run that was killed, finds the old or the new one.
void WritePredictions(const std::filesystem::path& path, const Predictions& predictions);

// Removes what a killed WritePredictions() may have left beside `path`.
void RemoveUnfinished(const std::filesystem::path& path);

// Answers to the same picture in two files.
struct AnswerPair {
  std::string key_a;
  std::string key_b;
  std::string answer_a;
  std::string answer_b;
};

struct PairedAnswers {
  std::vector<AnswerPair> pairs;    // in the order of A
  std::vector<std::string> only_a;  // keys without a partner
  std::vector<std::string> only_b;
};

// By equal keys; what is left by equal file names, since one of the original's programs writes
// whole paths and the other one bare names. A name that a side has twice finds no partner.
PairedAnswers PairAnswers(const Predictions& a, const Predictions& b);

}  // namespace ixc
