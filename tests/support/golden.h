// Reading the reference values that the golden tests compare with.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "formats/safetensors.h"
#include "tensor/tensor.h"

namespace ixc::testing {

// The whole set of reference values where it is at hand (environment variable IXC_FIXTURES, or
// shared/fixtures/golden beside the source tree), else the part of it under tests/data.
inline std::filesystem::path GoldenDir() {
  namespace fs = std::filesystem;
  if (const char* given = std::getenv("IXC_FIXTURES")) return given;
  const fs::path beside = fs::path(IXC_SOURCE_DIR) / ".." / "shared" / "fixtures" / "golden";
  return fs::exists(beside / "images") ? beside : fs::path(IXC_TEST_DATA);
}

// A safetensors file, every tensor widened to float32.
class GoldenTensors {
 public:
  struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> values;

    // Row-major matrix of the last dimension; leading dimensions are joined.
    const float* Row(int64_t row) const { return values.data() + row * shape.back(); }
  };

  explicit GoldenTensors(const std::filesystem::path& path) {
    const MappedFile file(path);
    for (const NamedTensor& tensor : ParseSafetensors(file.bytes(), path.string()).tensors) {
      if (!IsFloat(tensor.view.dtype)) continue;
      tensors_[tensor.name] = {tensor.view.shape, ReadAsFloat(tensor.view, tensor.name)};
    }
  }

  bool Has(const std::string& name) const { return tensors_.count(name) > 0; }
  const Tensor& Get(const std::string& name) const { return tensors_.at(name); }

 private:
  std::map<std::string, Tensor> tensors_;
};

inline double MaxAbsDifference(const float* a, const float* b, int64_t count) {
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    // A NaN compares false with everything; let it win instead of vanishing.
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

// rms error over the reference's standard deviation.
struct RelativeRms {
  double error = 0;
  double sum = 0;
  double square = 0;
  double count = 0;

  void Add(const float* got, const float* wanted, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const double difference = static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
      error += difference * difference;
      sum += wanted[i];
      square += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
      count += 1;
    }
  }
  double Value() const {
    const double mean = sum / count;
    return std::sqrt(error / count) / std::sqrt(square / count - mean * mean);
  }
};

}  // namespace ixc::testing
