// Calibration: what the inputs of the decoder's linears look like on sample texts.
//
// As the original tool set does it: every text is tokenized alone, with BOS, and runs once through
// the decoder, without picture and without partial LoRA. Each linear keeps the running mean of its
// input's extremes over the samples so far, rounds the input by that, and multiplies by its rounded
// weights, so that deeper layers see activations as they will be. Layer after layer instead of
// sample after sample gives the same numbers and needs one layer in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/weight_directory.h"
#include "kernels/compute.h"
#include "quant/quantized_linear.h"
#include "text/tokenizer.h"

namespace ixc {

// Texts of a JSONL file: the field inputs_pretokenized of each line's object, or the whole line
// where there is none. Blank lines are skipped. Throws on a line that is no JSON object, on a field
// that is no text, both with the line's number, and on a file without texts.
std::vector<std::string> ReadCalibrationTexts(const std::filesystem::path& path);

// Token ids of each text. Throws on one that is longer than the model takes.
std::vector<std::vector<int32_t>> TokenizeCalibration(const std::vector<std::string>& texts,
                                                      const Tokenizer& tokenizer,
                                                      int64_t max_tokens);

struct CalibrationOptions {
  QuantScheme scheme = QuantScheme::kW8A8;        // w8a8 or w8a8s
  double fraction = 0.011;                        // w8a8s: of weights that are outliers
  std::function<void(double share)> on_progress;  // may be empty; may throw to stop
};

// wqkv, wo, w1 and w3 of every layer, measured, with their input parameters; in the order of the
// layers. The linears read the directory's tensors, which must outlive them.
std::vector<QuantizedLinear> CalibrateStatic(const WeightDirectory& directory,
                                             const std::vector<std::vector<int32_t>>& samples,
                                             const CalibrationOptions& options,
                                             const Compute& compute);

// Mean square of each input of every decoder linear in a run without any rounding, by prefix: the
// importance that the search for w4's scales can use.
std::map<std::string, std::vector<float>> MeasureImportance(
    const WeightDirectory& directory, const std::vector<std::vector<int32_t>>& samples,
    const std::function<void(double share)>& on_progress, const Compute& compute);

}  // namespace ixc
