// Where tensors come from by name: a weight directory, or made-up numbers for measurements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpu/aligned_buffer.h"
#include "formats/checkpoint.h"
#include "formats/model_config.h"
#include "formats/model_kind.h"
#include "formats/quant_description.h"
#include "tensor/tensor.h"

namespace ixc {

class WeightSource {
 public:
  virtual ~WeightSource() = default;

  // nullptr when there is no such tensor.
  virtual const TensorView* Find(std::string_view name) const = 0;
  // Throws when it is missing or has another shape.
  virtual TensorView Get(const std::string& name, const std::vector<int64_t>& shape) const = 0;
  virtual uint64_t total_bytes() const = 0;
  // How tensors are quantized; nullptr where all are floats.
  virtual const QuantDescription* quantization() const { return nullptr; }
  // The tensor has been copied; its pages may go.
  virtual void Release(const TensorView&) const {}
};

class CheckpointWeights : public WeightSource {
 public:
  explicit CheckpointWeights(Checkpoint checkpoint,
                             std::optional<QuantDescription> quantization = std::nullopt)
      : checkpoint_(std::move(checkpoint)), quantization_(std::move(quantization)) {}

  const TensorView* Find(std::string_view name) const override { return checkpoint_.Find(name); }
  TensorView Get(const std::string& name, const std::vector<int64_t>& shape) const override {
    return checkpoint_.Get(name, shape);
  }
  uint64_t total_bytes() const override;
  const QuantDescription* quantization() const override {
    return quantization_ ? &*quantization_ : nullptr;
  }
  void Release(const TensorView& tensor) const override;
  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  Checkpoint checkpoint_;
  std::optional<QuantDescription> quantization_;
};

// Every tensor that a model of these shapes has, all of them views of one block of pseudo-random
// numbers (seeded; standard deviation 0.02): speed depends on shapes only.
class SyntheticWeights : public WeightSource {
 public:
  SyntheticWeights(const ModelConfig& config, ModelKind kind, DType dtype);

  const TensorView* Find(std::string_view name) const override;
  TensorView Get(const std::string& name, const std::vector<int64_t>& shape) const override;
  uint64_t total_bytes() const override;

 private:
  void AddTensors(const ModelConfig& config, ModelKind kind);

  DType dtype_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  AlignedBuffer numbers_;
};

}  // namespace ixc
