#include "cpu/scratch.h"

#include "cpu/aligned_buffer.h"

namespace ixc {

float* ThreadScratch(ScratchUse use, int64_t floats) {
  thread_local AlignedBuffer buffers[2];
  AlignedBuffer& buffer = buffers[static_cast<size_t>(use)];
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  if (buffer.size() < bytes) {
    buffer = AlignedBuffer();  // the old one is freed before the new one is made
    buffer = AlignedBuffer(bytes);
  }
  return reinterpret_cast<float*>(buffer.data());
}

}  // namespace ixc
