#include <gtest/gtest.h>

#include <cstring>

#include "base/mapped_file.h"
#include "formats/safetensors.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

// A file from its header text and data bytes.
std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string file(reinterpret_cast<const char*>(&size), sizeof(size));
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

TensorMap Parse(const std::string& file) {
  return ParseSafetensors(std::as_bytes(std::span(file)), "m.safetensors");
}

std::string ParseError(const std::string& file) {
  return ErrorOf([&] { Parse(file); });
}

const std::string kTwoTensors =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},)"
    R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";

TEST(Safetensors, ReadsTensorsInFileOrder) {
  const std::string file = File(kTwoTensors, 12);
  const TensorMap map = Parse(file);
  ASSERT_EQ(map.tensors.size(), 2u);
  EXPECT_EQ(map.metadata.at("format"), "pt");
  EXPECT_EQ(map.tensors[0].name, "a");
  EXPECT_EQ(map.tensors[0].view.shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(map.tensors[1].name, "b");
  EXPECT_EQ(map.tensors[1].view.dtype, DType::kF16);
  EXPECT_EQ(map.tensors[1].view.data,
            reinterpret_cast<const std::byte*>(file.data()) + 8 + kTwoTensors.size() + 8);
}

TEST(Safetensors, EmptyTensorsAndScalars) {
  const std::string header = R"({"e":{"dtype":"I64","shape":[0,3],"data_offsets":[0,0]},)"
                             R"("s":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}})";
  const TensorMap map = Parse(File(header, 1));
  EXPECT_EQ(map.tensors[0].view.NumBytes(), 0u);
  EXPECT_EQ(map.tensors[1].view.NumBytes(), 1u);
  EXPECT_TRUE(Parse(File("{}", 0)).tensors.empty());
}

TEST(Safetensors, EveryShorterFileIsAnError) {
  const std::string file = File(kTwoTensors, 12);
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_PRED2(Contains, ParseError(file.substr(0, size)), "m.safetensors: ") << size;
  }
  const size_t data = 8 + kTwoTensors.size();
  EXPECT_EQ(ParseError(file.substr(0, file.size() - 1)),
            fmt::format("m.safetensors: tensor 'b' wants bytes {}..{}, the file has {}; download "
                        "it again",
                        data + 8, data + 12, file.size() - 1));
}

TEST(Safetensors, NoChangedByteIsReadOutOfBounds) {
  // Whatever one changed byte does, the parser throws ixc::Error or gives views inside the file.
  const std::string good = File(kTwoTensors, 12);
  for (size_t i = 0; i < 8 + kTwoTensors.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      try {
        for (const NamedTensor& tensor : Parse(bad).tensors) {
          const auto* begin = reinterpret_cast<const std::byte*>(bad.data());
          ASSERT_GE(tensor.view.data, begin);
          ASSERT_LE(tensor.view.data + tensor.view.NumBytes(), begin + bad.size());
        }
      } catch (const Error&) {
      }
    }
  }
}

TEST(Safetensors, RejectsBadHeaders) {
  const auto one = [](const std::string& fields) { return File("{\"t\":{" + fields + "}}", 8); };
  const struct {
    std::string file;
    const char* reason;
  } cases[] = {
      {std::string(8, '\xff'), "header of 18446744073709551615 bytes"},
      {File("[]", 0), "not a JSON object"},
      {File("{\"a\":1}", 0), "tensor 'a': wanted a JSON object, found 1"},
      {File("{\"__metadata__\":{\"a\":1}}", 0), "metadata 'a' is not a string"},
      {one(R"("shape":[2],"data_offsets":[0,8])"), "field 'dtype' wanted a string"},
      {one(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])"), "'F8_E4M3' is not supported"},
      {one(R"("dtype":"F32","data_offsets":[0,8])"), "wanted 'shape'"},
      {one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "dimension -2 is not a size"},
      {one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "dimension 2.0 is not a size"},
      {one(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "wanted 'data_offsets'"},
      {one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "has 8 bytes"},
      {one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "F32 of shape [3] has 12 bytes"},
      {one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
       "does not fit in 63 bits"},
      {one(R"("dtype":"F32","shape":[4611686018427387904,2],"data_offsets":[0,0])"),
       "does not fit in 63 bits"},
      {one(R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615])"),
       "does not fit in 64 bits"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes after the last tensor"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "the tensor before it ends at"},
      {File(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
            R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
            6),
       "tensor 'b' begins at byte"},
      {File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
            R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
            2),
       "key 'a' appears twice"},
  };
  for (const auto& c : cases) EXPECT_PRED2(Contains, ParseError(c.file), c.reason);
}

TEST(Safetensors, WritesWhatItReads) {
  const TempDir dir;
  const auto path = dir.path() / "out.safetensors";
  const float floats[] = {1.0f, 2.0f};
  const int8_t bytes[] = {-1, 0, 1};
  const TensorView small{DType::kI8, {3}, reinterpret_cast<const std::byte*>(bytes)};
  const TensorView wide{DType::kF32, {2, 1}, reinterpret_cast<const std::byte*>(floats)};
  WriteSafetensors(path, {SourceOf("small", small), SourceOf("wide", wide)}, {{"key", "value"}});

  const MappedFile file(path);
  const TensorMap map = ParseSafetensors(file.bytes(), "out");
  ASSERT_EQ(map.tensors.size(), 2u);
  EXPECT_EQ(map.metadata.at("key"), "value");
  // The wider element type comes first and is aligned.
  EXPECT_EQ(map.tensors[0].name, "wide");
  EXPECT_EQ(map.tensors[0].view.shape, wide.shape);
  EXPECT_EQ((map.tensors[0].view.data - file.bytes().data()) % 8, 0);
  EXPECT_EQ(std::memcmp(map.tensors[0].view.data, floats, sizeof(floats)), 0);
  EXPECT_EQ(std::memcmp(map.tensors[1].view.data, bytes, sizeof(bytes)), 0);
}

TEST(Safetensors, WriterRejectsBadSourcesAndLeavesNoFile) {
  const TempDir dir;
  const auto path = dir.path() / "out.safetensors";
  const float value = 1.0f;
  const TensorView scalar{DType::kF32, {}, reinterpret_cast<const std::byte*>(&value)};
  EXPECT_PRED2(Contains, ErrorOf([&] {
                 WriteSafetensors(path, {SourceOf("a", scalar), SourceOf("a", scalar)});
               }),
               "tensor name 'a' twice");
  TensorSource short_source = SourceOf("b", scalar);
  short_source.shape = {2};
  EXPECT_PRED2(Contains, ErrorOf([&] { WriteSafetensors(path, {short_source}); }),
               "tensor 'b' was written 4 bytes short");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace ixc
