#include "model/weight_loader.h"

#include <algorithm>

#include "base/error.h"

namespace ixc {

TensorView WeightLoader::Get(const std::string& name, const std::vector<int64_t>& shape) {
  TensorView tensor = source_.Get(name, shape);
  if (!IsFloat(tensor.dtype)) {
    Fail("tensor '{}' is {}, wanted F32, F16 or BF16", name, Name(tensor.dtype));
  }
  loaded_bytes_ += tensor.NumBytes();
  if (options_.on_progress) {
    const double total = static_cast<double>(std::max<uint64_t>(source_.total_bytes(), 1));
    options_.on_progress(std::min(1.0, static_cast<double>(loaded_bytes_) / total));
  }
  return tensor;
}

PackedMatrix WeightLoader::LoadMatrix(const MatrixSpec& spec) {
  std::vector<TensorView> parts;
  for (size_t i = 0; i < spec.names.size(); ++i) {
    parts.push_back(Get(spec.names[i], spec.shapes[i]));
    if (parts[i].dtype != parts[0].dtype) {
      Fail("tensors '{}' ({}) and '{}' ({}) belong together and must have one dtype", spec.names[0],
           Name(parts[0].dtype), spec.names[i], Name(parts[i].dtype));
    }
  }
  const DType stored = parts[0].dtype;
  const DType dtype = stored == DType::kF32 ? options_.cast_float32_to.value_or(stored) : stored;
  return PackMatrix(parts, dtype, spec.row_order, compute_);
}

PackedMatrix WeightLoader::LoadMatrix(const std::string& name, std::vector<int64_t> shape,
                                      std::span<const int64_t> row_order) {
  return LoadMatrix({{name}, {std::move(shape)}, row_order});
}

std::vector<float> WeightLoader::LoadVector(const std::string& name, std::vector<int64_t> shape) {
  return ReadAsFloat(Get(name, shape), name);
}

Linear WeightLoader::LoadLinear(const std::string& prefix, int64_t outputs, int64_t inputs) {
  return {LoadMatrix(prefix + ".weight", {outputs, inputs}),
          LoadVector(prefix + ".bias", {outputs})};
}

LayerNormWeights WeightLoader::LoadLayerNorm(const std::string& prefix, int64_t width) {
  return {LoadVector(prefix + ".weight", {width}), LoadVector(prefix + ".bias", {width})};
}

PartialLoraLinear WeightLoader::LoadPartialLora(std::span<const LoraPart> parts, int64_t inputs,
                                                std::span<const int64_t> row_order) {
  PartialLoraLinear linear;
  MatrixSpec stacked{{}, {}, row_order};
  int64_t first_output = 0;
  for (const LoraPart& part : parts) {
    stacked.names.push_back(part.prefix + ".weight");
    stacked.shapes.push_back({part.outputs, inputs});

    const std::string a_name = part.prefix + ".Plora_A.weight";
    const TensorView* a = source_.Find(a_name);
    if (a == nullptr || a->shape.empty()) {
      Fail("tensor '{}' is missing: this is no XComposer2 checkpoint, or not all of it", a_name);
    }
    const int64_t rank = a->shape[0];
    PartialLoraLinear::Adapter adapter;
    adapter.a = LoadMatrix(a_name, {rank, inputs});
    adapter.b = LoadMatrix(part.prefix + ".Plora_B.weight", {part.outputs, rank}, row_order);
    adapter.scale = part.scale;
    adapter.first_output = first_output;
    linear.adapters.push_back(std::move(adapter));
    first_output += part.outputs;
  }
  linear.weight = LoadMatrix(stacked);
  return linear;
}

}  // namespace ixc
