#include "model/weight_loader.h"

#include <algorithm>

#include "base/error.h"
#include "formats/tensor_catalog.h"
#include "model/merge_lora.h"
#include "model/quantized_loader.h"

namespace ixc {

TensorView WeightLoader::Get(const std::string& name, const std::vector<int64_t>& shape) {
  TensorView tensor = source_.Get(name, shape);
  if (!IsFloat(tensor.dtype)) {
    Fail("tensor '{}' is {}, wanted F32, F16 or BF16", name, Name(tensor.dtype));
  }
  CountBytes(tensor.NumBytes());
  return tensor;
}

void WeightLoader::CountBytes(uint64_t bytes) {
  loaded_bytes_ += bytes;
  if (options_.on_progress) {
    const double total = static_cast<double>(std::max<uint64_t>(source_.total_bytes(), 1));
    options_.on_progress(std::min(1.0, static_cast<double>(loaded_bytes_) / total));
  }
}

std::vector<TensorView> WeightLoader::GetParts(const MatrixSpec& spec) {
  std::vector<TensorView> parts;
  for (size_t i = 0; i < spec.names.size(); ++i) {
    parts.push_back(Get(spec.names[i], spec.shapes[i]));
    if (parts[i].dtype != parts[0].dtype) {
      Fail("tensors '{}' ({}) and '{}' ({}) belong together and must have one dtype", spec.names[0],
           Name(parts[0].dtype), spec.names[i], Name(parts[i].dtype));
    }
  }
  merged_.clear();
  if (lora_ == nullptr || !options_.merge_lora) return parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (const LoraPair* lora = lora_->Find(LinearOf(spec.names[i]))) {
      parts[i].data = merged_.emplace_back(MergeLora(parts[i], *lora, compute_)).data();
    }
  }
  return parts;
}

PackedMatrix WeightLoader::LoadMatrix(const MatrixSpec& spec) {
  return std::get<PackedMatrix>(
      Remembered(spec.names[0], [&] { return WeightMatrix(PackFloats(spec)); }));
}

WeightMatrix WeightLoader::LoadWeight(const MatrixSpec& spec, LinearKind kind) {
  return Remembered(spec.names[0], [&] { return PackWeight(spec, kind); });
}

WeightMatrix WeightLoader::Remembered(const std::string& name,
                                      const std::function<WeightMatrix()>& pack) {
  if (packs_ == nullptr) return pack();
  if (std::optional<WeightMatrix> packed = packs_->Take(name)) return *std::move(packed);
  WeightMatrix matrix = pack();
  packs_->Add(name, matrix);
  return matrix;
}

PackedMatrix WeightLoader::PackFloats(const MatrixSpec& spec) {
  const std::vector<TensorView> parts = GetParts(spec);
  const DType stored = parts[0].dtype;
  const DType dtype = stored == DType::kF32 ? options_.cast_float32_to.value_or(stored) : stored;
  PackedMatrix packed = PackMatrix(parts, dtype, spec.row_order, compute_);
  for (const TensorView& part : parts) source_.Release(part);
  return packed;
}

WeightMatrix WeightLoader::PackWeight(const MatrixSpec& spec, LinearKind kind) {
  if (const QuantDescription* quantization = source_.quantization()) {
    if (options_.scheme) {
      Fail("{}: the weights are quantized already ({}); leave the scheme out", quantization->path,
           quantization->type);
    }
    if (!IsQuantized(source_, spec.names)) return PackFloats(spec);
    if (lora_ != nullptr && options_.merge_lora) {
      Fail(
          "{}: nothing can be merged into quantized weights; leave --merge-lora out, and the LoRA "
          "is applied beside them",
          quantization->path);
    }
    QuantizedMatrix matrix =
        LoadQuantized(source_, {spec.names, spec.shapes, spec.row_order}, compute_);
    CountBytes(matrix.NumBytes());
    for (const std::string& name : spec.names) {
      if (const TensorView* part = source_.Find(name)) source_.Release(*part);
    }
    return matrix;
  }
  if (!options_.scheme) return PackFloats(spec);
  LoadScheme scheme = *options_.scheme;
  // As the original tool set leaves them; the schemes of this project take all linears.
  if (IsStatic(scheme.scheme) && kind != LinearKind::kUsual) return PackFloats(spec);
  if (kind == LinearKind::kHead) scheme = {QuantScheme::kW8A8D, 0};  // four bits cost it most
  const std::vector<TensorView> parts = GetParts(spec);
  if (!options_.random_integers) {
    QuantizedMatrix rounded = RoundMatrix(parts, spec.row_order, scheme, compute_);
    for (const TensorView& part : parts) source_.Release(part);
    return rounded;
  }
  int64_t n = 0;
  for (const TensorView& part : parts) n += part.shape[0];
  return RandomQuantizedMatrix({scheme.scheme, n, parts[0].NumElements() / parts[0].shape[0],
                                scheme.scheme == QuantScheme::kW4 ? scheme.group : 0},
                               1);
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

void WeightLoader::AddPartialLora(const LoraPart& part, int64_t inputs,
                                  std::span<const int64_t> row_order, PartialLoraLinear& linear) {
  const std::string a_name = part.prefix + ".Plora_A.weight";
  const std::string b_name = part.prefix + ".Plora_B.weight";
  const TensorView* a = source_.Find(a_name);
  if (a == nullptr || a->shape.empty()) {
    if (options_.allow_missing_adapters && source_.Find(b_name) == nullptr) return;
    Fail("tensor '{}' is missing: this is no XComposer2 checkpoint, or not all of it", a_name);
  }
  const int64_t rank = a->shape[0];
  PartialLoraLinear::Adapter adapter;
  adapter.a = LoadMatrix(a_name, {rank, inputs});
  adapter.b = LoadMatrix(b_name, {part.outputs, rank}, row_order);
  adapter.scale = part.scale;
  adapter.first_output = part.first_output;
  linear.adapters.push_back(std::move(adapter));
}

void WeightLoader::AddLora(const LoraPart& part, std::span<const int64_t> row_order,
                           PartialLoraLinear& linear) {
  const LoraPair* lora = lora_ == nullptr ? nullptr : lora_->Find(part.prefix);
  if (lora == nullptr || options_.merge_lora) return;
  PartialLoraLinear::Adapter adapter;
  adapter.a = PackMatrix(std::span(&lora->a, 1), lora->a.dtype, {}, compute_);
  adapter.b = PackMatrix(std::span(&lora->b, 1), lora->b.dtype, row_order, compute_);
  adapter.scale = static_cast<float>(lora->scale);
  adapter.first_output = part.first_output;
  adapter.all_rows = true;
  linear.adapters.push_back(std::move(adapter));
}

PartialLoraLinear WeightLoader::LoadPartialLora(std::span<const LoraPart> parts, int64_t inputs,
                                                LinearKind kind,
                                                std::span<const int64_t> row_order) {
  PartialLoraLinear linear;
  MatrixSpec stacked{{}, {}, row_order};
  int64_t first_output = 0;
  for (LoraPart part : parts) {
    stacked.names.push_back(part.prefix + ".weight");
    stacked.shapes.push_back({part.outputs, inputs});
    part.first_output = first_output;
    AddPartialLora(part, inputs, row_order, linear);
    AddLora(part, row_order, linear);
    first_output += part.outputs;
  }
  linear.weight = LoadWeight(stacked, kind);
  return linear;
}

}  // namespace ixc
