// Builds small torch.save files byte by byte, also broken ones: a pickle writer and a zip writer
// with knobs for what tests want to get wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ixc {

template <typename T>
std::string LittleEndian(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// --- pickle opcodes, protocol 2 ------------------------------------------------------------------

inline std::string PickleString(std::string_view text) {
  return std::string("X") + LittleEndian(static_cast<uint32_t>(text.size())) + std::string(text);
}
inline std::string PickleInt(int32_t value) { return std::string("J") + LittleEndian(value); }
inline std::string PickleGlobal(const std::string& module, const std::string& name) {
  return std::string("c") + module + "\n" + name + "\n";
}
inline std::string PickleTuple(const std::vector<int32_t>& values) {
  std::string text = "(";
  for (int32_t value : values) text += PickleInt(value);
  return text + "t";
}

struct PickledTensor {
  std::string name = "t";
  std::string storage_type = "FloatStorage";
  std::string key = "0";
  int32_t storage_elements = 6;
  int32_t offset = 0;
  std::vector<int32_t> shape = {2, 3};
  std::vector<int32_t> strides = {3, 1};
};

// The call that rebuilds a tensor.
inline std::string PickleTensor(const PickledTensor& t) {
  return PickleGlobal("torch._utils", "_rebuild_tensor_v2") + "(" + "(" + PickleString("storage") +
         PickleGlobal("torch", t.storage_type) + PickleString(t.key) + PickleString("cpu") +
         PickleInt(t.storage_elements) + "tQ" + PickleInt(t.offset) + PickleTuple(t.shape) +
         PickleTuple(t.strides) + "\x89" + PickleGlobal("collections", "OrderedDict") + ")Rt" + "R";
}

inline std::string PickleDict(const std::string& items) {
  return std::string("\x80\x02}(") + items + "u.";
}

inline std::string PickleTensors(const std::vector<PickledTensor>& tensors) {
  std::string items;
  for (const PickledTensor& t : tensors) items += PickleString(t.name) + PickleTensor(t);
  return PickleDict(items);
}

// --- zip -----------------------------------------------------------------------------------------

struct ZipFile {
  std::string name;
  std::string data;
  std::string local_name = "";  // "": the same as name
  uint16_t flags = 1 << 3;      // PyTorch leaves the sizes out of its local headers
  uint16_t method = 0;
  int32_t local_size = 0;
  int32_t size_error = 0;    // added to the size in the directory
  int32_t offset_error = 0;  // added to the local header's position in the directory
  bool wrong_crc = false;
};

inline uint32_t Crc32(std::string_view text) {
  uint32_t crc = 0xffffffff;
  for (char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

// `zip64`: sizes and offsets go to the 64-bit fields that large files use.
inline std::string MakeZip(const std::vector<ZipFile>& files, bool zip64 = false) {
  const auto u16 = [](size_t value) { return LittleEndian(static_cast<uint16_t>(value)); };
  const auto u32 = [](size_t value) { return LittleEndian(static_cast<uint32_t>(value)); };
  const auto u64 = [](size_t value) { return LittleEndian(static_cast<uint64_t>(value)); };
  std::string zip, directory;
  for (const ZipFile& f : files) {
    const size_t offset = zip.size() + static_cast<size_t>(f.offset_error);
    const size_t size = f.data.size() + static_cast<size_t>(f.size_error);
    const std::string local_name = f.local_name.empty() ? f.name : f.local_name;
    const std::string padding(5, 'Z');  // an extra field, as PyTorch aligns data with
    zip += u32(0x04034b50) + u16(0) + u16(f.flags) + u16(f.method) + u32(0) + u32(0) +
           u32(static_cast<size_t>(f.local_size)) + u32(static_cast<size_t>(f.local_size)) +
           u16(local_name.size()) + u16(padding.size()) + local_name + padding + f.data;
    const std::string extra =
        zip64 ? u16(1) + u16(24) + u64(size) + u64(size) + u64(offset) : std::string();
    directory += u32(0x02014b50) + u16(0) + u16(0) + u16(f.flags) + u16(f.method) + u32(0) +
                 u32(Crc32(f.data) ^ (f.wrong_crc ? 1 : 0)) + u32(zip64 ? ~size_t{0} : size) +
                 u32(zip64 ? ~size_t{0} : size) + u16(f.name.size()) + u16(extra.size()) + u16(0) +
                 u16(0) + u16(0) + u32(0) + u32(zip64 ? ~size_t{0} : offset) + f.name + extra;
  }
  const size_t begin = zip.size();
  zip += directory;
  if (zip64) {
    const size_t end = zip.size();
    zip += u32(0x06064b50) + u64(44) + u16(0) + u16(0) + u32(0) + u32(0) + u64(files.size()) +
           u64(files.size()) + u64(directory.size()) + u64(begin);
    zip += u32(0x07064b50) + u32(0) + u64(end) + u32(1);
  }
  const size_t count = zip64 ? 0xffff : files.size();
  return zip + u32(0x06054b50) + u16(0) + u16(0) + u16(count) + u16(count) +
         u32(zip64 ? ~size_t{0} : directory.size()) + u32(zip64 ? ~size_t{0} : begin) + u16(0);
}

// A file of one storage "0" with `storage` as its bytes.
inline std::string MakeTorchBin(const std::string& pickle, const std::string& storage,
                                bool zip64 = false) {
  return MakeZip({{.name = "m/data.pkl", .data = pickle},
                  {.name = "m/byteorder", .data = "little"},
                  {.name = "m/data/0", .data = storage},
                  {.name = "m/version", .data = "3\n"}},
                 zip64);
}

}  // namespace ixc
