// ixc quantize: a float directory to a quantized one.
//
// w8a8 and w8a8s give what the original tool set gives (names, types, shapes, both spellings of the
// description), with two differences: partial LoRA tensors are copied where the original loses
// them, and float tensors keep their stored type. w8a8d and w4 are of this project: they take w2
// and the head too, and need no calibration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "kernels/compute.h"
#include "kernels/qgemm/quantized_matrix.h"

namespace ixc {

// How the description is spelled: quant_model_description.json with a version, or
// quant_model_description_w8a8.json and `quantize` in config.json.
enum class DescriptionSpelling { kAscendV1, kSafeTensor };

struct QuantizeOptions {
  QuantScheme scheme = QuantScheme::kW8A8;
  DescriptionSpelling spelling = DescriptionSpelling::kAscendV1;
  std::filesystem::path calibration_file;  // w8a8 and w8a8s; of w4 the search may use it
  double fraction = 0.011;                 // w8a8s: of weights that are outliers
  int64_t group = 128;                     // w4: weights that share a scale
  bool search = false;                     // w4: scales of least error
  // May be empty; may throw to stop, and then nothing is left of the destination.
  std::function<void(const char* stage, double share)> on_progress;
};

struct QuantizeReport {
  std::string file;
  uint64_t num_bytes = 0;        // of all tensors
  int64_t num_linears = 0;       // quantized
  uint64_t num_weights = 0;      // in them
  uint64_t quantized_bytes = 0;  // of their tensors
};

// Throws on a directory that is quantized already, a destination that exists, a calibration file
// that is missing or has a bad line, and weights that are not finite.
QuantizeReport QuantizeDirectory(const std::filesystem::path& source,
                                 const std::filesystem::path& destination,
                                 const QuantizeOptions& options, const Compute& compute);

}  // namespace ixc
