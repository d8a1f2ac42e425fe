// An ordinary LoRA put into the matrix that it corrects.
#pragma once

#include "cpu/aligned_buffer.h"
#include "formats/lora_adapter.h"
#include "kernels/compute.h"
#include "tensor/tensor.h"

namespace ixc {

// W + scale B A in the type and layout of W, [outputs, inputs] with A [r, inputs], B [outputs, r];
// computed in float32 and rounded once, to nearest.
AlignedBuffer MergeLora(const TensorView& weight, const LoraPair& lora, const Compute& compute);

}  // namespace ixc
