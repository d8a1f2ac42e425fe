#include "model/quantized_loader.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/tensor_catalog.h"
#include "quant/input_range.h"
#include "quant/nibble_codec.h"
#include "quant/quantized_linear.h"

namespace ixc {
namespace {

// A tensor of integers, or of floats where `dtypes` has them.
TensorView Require(const WeightSource& source, const std::string& name,
                   const std::vector<int64_t>& shape, std::initializer_list<DType> dtypes) {
  std::string wanted;
  for (DType dtype : dtypes) wanted += (wanted.empty() ? "" : " or ") + std::string(Name(dtype));
  const TensorView* tensor = source.Find(name);
  if (tensor == nullptr) {
    Fail("{}: tensor '{}' is missing, wanted {} {}", source.quantization()->path, name, wanted,
         ShapeString(shape));
  }
  for (DType dtype : dtypes) {
    if (tensor->dtype == dtype && tensor->shape == shape) return *tensor;
  }
  Fail("tensor '{}' wanted {} {}, found {} {}", name, wanted, ShapeString(shape),
       Name(tensor->dtype), ShapeString(tensor->shape));
}

template <typename T>
std::vector<T> Copy(const TensorView& tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.NumElements()));
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

std::vector<float> CheckScales(std::vector<float> scales, const std::string& name) {
  for (size_t i = 0; i < scales.size(); ++i) {
    if (!std::isfinite(scales[i])) {
      Fail("tensor '{}' [{}] is {}: wanted a finite number", name, i, scales[i]);
    }
  }
  return scales;
}

// deq_scale in float32. In files of float16 models it is stored in 64 bits, of which only the low
// half is the number; the hardware's own converter keeps flags in the high half.
std::vector<float> ReadDeqScale(const TensorView& tensor, const std::string& name) {
  std::vector<float> scales;
  if (tensor.dtype == DType::kI64) {
    for (int64_t bits : Copy<int64_t>(tensor)) {
      scales.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    }
  } else {
    scales = Copy<float>(tensor);
  }
  return CheckScales(std::move(scales), name);
}

InputParameters ReadInput(const WeightSource& source, const std::string& prefix) {
  const auto is_float = {DType::kF32, DType::kF16, DType::kBF16};
  const std::string scale_name = prefix + ".input_scale";
  InputParameters input;
  input.scale = ReadAsFloat(Require(source, scale_name, {1}, is_float), scale_name)[0];
  if (!std::isfinite(input.scale) || input.scale <= 0) {
    Fail("tensor '{}' is {}: wanted a finite positive number", scale_name, input.scale);
  }
  const std::string offset_name = prefix + ".input_offset";
  const TensorView stored =
      Require(source, offset_name, {1}, {DType::kF32, DType::kF16, DType::kBF16, DType::kI8});
  const float offset = stored.dtype == DType::kI8 ? static_cast<float>(Copy<int8_t>(stored)[0])
                                                  : ReadAsFloat(stored, offset_name)[0];
  if (!(offset >= -128 && offset <= 127) || offset != std::floor(offset)) {
    Fail("tensor '{}' is {}: wanted an integer between -128 and 127", offset_name, offset);
  }
  input.offset = static_cast<int32_t>(offset);
  return input;
}

constexpr std::string_view kCompressedTag = "W8A8SC";

QuantScheme SchemeOf(const QuantDescription& quantization, const std::string& name) {
  const std::string& tag = quantization.TagOf(name);
  if (tag == kCompressedTag) return QuantScheme::kW8A8S;
  for (QuantScheme scheme : kQuantSchemes) {
    if (tag == TagOf(scheme)) return scheme;
  }
  Fail("{}: tensor '{}' is stored as '{}', which is not known", quantization.path, name, tag);
}

// The stacked parts, read but for their order.
struct Stack {
  std::vector<const std::byte*> rows;     // of integers, or
  std::vector<NibbleDecoder> compressed;  // the one part that is compressed
  std::vector<const std::byte*> groups;   // w4: F16 scales of each row
  std::vector<float> output_scale;
  std::vector<int32_t> output_bias;
  InputParameters input;
};

template <typename T>
void Append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void AppendRows(std::vector<const std::byte*>& to, const TensorView& tensor) {
  const size_t row_bytes = tensor.NumBytes() / static_cast<size_t>(tensor.shape[0]);
  for (int64_t row = 0; row < tensor.shape[0]; ++row) {
    to.push_back(tensor.data + static_cast<size_t>(row) * row_bytes);
  }
}

void AddStaticPart(const WeightSource& source, const std::string& name, int64_t n, Stack& stack) {
  const std::string prefix = LinearOf(name);
  const InputParameters input = ReadInput(source, prefix);
  if (!stack.output_scale.empty() && input != stack.input) {
    Fail(
        "'{}' has another input_scale or input_offset than what is multiplied with it, and both "
        "take the same input",
        prefix);
  }
  stack.input = input;
  const std::string scale_name = prefix + ".deq_scale";
  Append(stack.output_scale,
         ReadDeqScale(Require(source, scale_name, {n}, {DType::kI64, DType::kF32}), scale_name));
  Append(stack.output_bias,
         Copy<int32_t>(Require(source, prefix + ".quant_bias", {n}, {DType::kI32})));
}

std::span<const std::byte> BytesOf(const TensorView& tensor) {
  return {tensor.data, tensor.NumBytes()};
}

void AddCompressed(const WeightSource& source, const std::string& name,
                   const std::vector<int64_t>& shape, Stack& stack) {
  const QuantDescription& quantization = *source.quantization();
  const std::string prefix = LinearOf(name);
  const auto info = Copy<int64_t>(Require(source, prefix + ".info", {5}, {DType::kI64}));
  if (quantization.codec != kNibbleCodecName || info[4] != kNibbleCodec) {
    Fail(
        "{}: the weights were compressed by the vendor's own tool, in a format that is not public; "
        "take the w8a8s directory that they were made from, or compress that with 'ixc compress'",
        quantization.path);
  }
  if (info[2] != shape[1] || info[3] != shape[0]) {
    Fail("tensor '{}.info' says [{}, {}], wanted {}", prefix, info[3], info[2], ShapeString(shape));
  }
  const TensorView* stream = source.Find(name);
  const TensorView index = Require(source, prefix + ".index", {shape[0] * 8}, {DType::kI8});
  if (stream == nullptr || stream->dtype != DType::kI8) {
    Fail("tensor '{}' wanted I8, found {}", name, stream ? Name(stream->dtype) : "nothing");
  }
  stack.compressed.emplace_back(shape[0], shape[1], BytesOf(*stream), BytesOf(index), name);
  AddStaticPart(source, name, shape[0], stack);
}

void AddPart(const WeightSource& source, QuantScheme scheme, int64_t group, const std::string& name,
             const std::vector<int64_t>& shape, Stack& stack) {
  const int64_t n = shape[0], k = shape[1];
  const std::string scale_name = LinearOf(name) + ".weight_scale";
  if (scheme == QuantScheme::kW4) {
    AppendRows(stack.rows, Require(source, name, {n, (k + 1) / 2}, {DType::kU8}));
    AppendRows(stack.groups,
               Require(source, scale_name, {n, (k + group - 1) / group}, {DType::kF16}));
    return;
  }
  AppendRows(stack.rows, Require(source, name, shape, {DType::kI8}));
  if (scheme != QuantScheme::kW8A8D) return AddStaticPart(source, name, n, stack);
  Append(stack.output_scale,
         CheckScales(Copy<float>(Require(source, scale_name, {n, 1}, {DType::kF32})), scale_name));
}

// -128 is no weight of these schemes, and not every kernel has room for it.
void CheckRow(std::span<const int8_t> weights, int64_t row) {
  int8_t smallest = 0;
  for (int8_t weight : weights) smallest = std::min(smallest, weight);
  if (smallest > -128) return;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == -128) Fail("quantized weight [{}, {}] is -128; wanted -127 to 127", row, i);
  }
}

void CopyRow(const std::byte* from, std::span<int8_t> to, int64_t row) {
  std::memcpy(to.data(), from, to.size());
  CheckRow(to, row);
}

void UnpackNibbles(const std::byte* from, std::span<int8_t> to) {
  const auto low = [](std::byte byte) {
    return static_cast<int8_t>(int(byte & std::byte{15}) - 8);
  };
  const size_t pairs = to.size() / 2;
  for (size_t i = 0; i < pairs; ++i) {
    to[2 * i] = low(from[i]);
    to[2 * i + 1] = low(from[i] >> 4);
  }
  if (to.size() % 2 != 0) to.back() = low(from[pairs]);
}

void CopyGroups(const std::byte* from, int64_t count, std::span<float> to) {
  const TensorView view{DType::kF16, {count}, from};
  const std::vector<float> scales = CheckScales(ReadAsFloat(view, "weight_scale"), "weight_scale");
  std::copy(scales.begin(), scales.end(), to.begin());
}

// The name of w1 and w3 as one tensor, where they are so.
std::optional<std::string> PackedPair(const WeightSource& source,
                                      std::span<const std::string> names) {
  constexpr std::string_view kFirst = ".w1.weight";
  if (names.size() != 2 || !names[0].ends_with(kFirst)) return std::nullopt;
  std::string packed = names[0].substr(0, names[0].size() - kFirst.size()) + ".w1_w3.weight";
  if (source.Find(packed) == nullptr) return std::nullopt;
  return packed;
}

}  // namespace

bool IsQuantized(const WeightSource& source, std::span<const std::string> names) {
  const QuantDescription& quantization = *source.quantization();
  if (PackedPair(source, names)) return true;
  const std::string& first = quantization.TagOf(names[0]);
  for (const std::string& name : names) {
    if (quantization.TagOf(name) != first) {
      Fail("{}: '{}' is {} and '{}' is {}; they are multiplied as one and must be stored alike",
           quantization.path, names[0], first, name, quantization.TagOf(name));
    }
  }
  return first != "FLOAT";
}

QuantizedMatrix LoadQuantized(const WeightSource& source, const QuantizedSpec& spec,
                              const Compute& compute) {
  if (const auto packed = PackedPair(source, spec.names)) {
    const std::vector<int64_t> shape = {spec.shapes[0][0] + spec.shapes[1][0], spec.shapes[0][1]};
    return LoadQuantized(source, {std::span(&*packed, 1), std::span(&shape, 1), spec.row_order},
                         compute);
  }
  const QuantDescription& quantization = *source.quantization();
  const QuantScheme scheme = SchemeOf(quantization, spec.names[0]);
  const int64_t group = scheme == QuantScheme::kW4 ? quantization.group_size : 0;
  if (scheme == QuantScheme::kW4 && group != 32 && group != 64 && group != 128) {
    Fail("{}: field 'group_size' is {}; w4 has 32, 64 or 128", quantization.path, group);
  }
  Stack stack;
  if (quantization.TagOf(spec.names[0]) == kCompressedTag) {
    AddCompressed(source, spec.names[0], spec.shapes[0], stack);
  } else {
    for (size_t i = 0; i < spec.names.size(); ++i) {
      AddPart(source, scheme, group, spec.names[i], spec.shapes[i], stack);
    }
  }
  const auto stacked_row = [&](int64_t row) {
    return static_cast<size_t>(spec.row_order.empty() ? row
                                                      : spec.row_order[static_cast<size_t>(row)]);
  };
  const int64_t n =
      stack.compressed.empty() ? static_cast<int64_t>(stack.rows.size()) : spec.shapes[0][0];
  const int64_t k = spec.shapes[0][1];
  QuantizedMatrix w = PackQuantized(
      {scheme, n, k, group},
      [&](int64_t row, const QuantizedRow& to) {
        const size_t from = stacked_row(row);
        if (!stack.compressed.empty()) {
          stack.compressed[0].ReadRow(static_cast<int64_t>(from), to.weights);
          return CheckRow(to.weights, row);
        }
        if (scheme != QuantScheme::kW4) return CopyRow(stack.rows[from], to.weights, row);
        UnpackNibbles(stack.rows[from], to.weights);
        CopyGroups(stack.groups[from], (k + group - 1) / group, to.group_scales);
      },
      compute);
  w.input_scale = stack.input.scale;
  w.input_offset = stack.input.offset;
  for (int64_t row = 0; row < n; ++row) {
    const auto to = static_cast<size_t>(row);
    if (!stack.output_scale.empty()) w.output_scale[to] = stack.output_scale[stacked_row(row)];
    if (!stack.output_bias.empty()) w.output_bias[to] = stack.output_bias[stacked_row(row)];
  }
  return w;
}

}  // namespace ixc
