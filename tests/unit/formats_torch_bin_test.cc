#include <gtest/gtest.h>

#include "base/limits.h"
#include "formats/torch_bin.h"
#include "formats/zip_reader.h"
#include "unit/temp_dir.h"
#include "unit/torch_bin_builder.h"

namespace ixc {
namespace {

std::string Floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
const std::string kSix = Floats({0, 1, 2, 3, 4, 5});

TensorMap Parse(const std::string& file) {
  return ParseTorchBin(std::as_bytes(std::span(file)), "m.bin");
}
std::string ParseError(const std::string& file) {
  return ErrorOf([&] { Parse(file); });
}
std::string PickleError(const std::string& pickle) {
  return ParseError(MakeTorchBin(pickle, kSix));
}
std::string TensorError(const PickledTensor& tensor) {
  return PickleError(PickleTensors({tensor}));
}
std::vector<float> Values(const TensorView& view) { return ReadAsFloat(view, "test"); }
bool Inside(const TensorView& view, const std::string& file) {
  const auto* begin = reinterpret_cast<const std::byte*>(file.data());
  return view.data >= begin && view.data + view.NumBytes() <= begin + file.size();
}

TEST(TorchBin, ViewsContiguousTensorsInPlace) {
  for (bool zip64 : {false, true}) {
    const std::string file =
        MakeTorchBin(PickleTensors({{.name = "whole"},
                                    {.name = "row", .offset = 3, .shape = {3}, .strides = {1}}}),
                     kSix, zip64);
    const TensorMap map = Parse(file);
    ASSERT_EQ(map.tensors.size(), 2u);
    EXPECT_EQ(map.tensors[0].name, "whole");
    EXPECT_EQ(map.tensors[0].view.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(Values(map.tensors[0].view), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_TRUE(Inside(map.tensors[0].view, file));
    // Two tensors over one storage.
    EXPECT_EQ(map.tensors[1].view.data, map.tensors[0].view.data + 3 * sizeof(float));
    EXPECT_TRUE(map.owned.empty());
  }
}

TEST(TorchBin, ReadsEveryDType) {
  const struct {
    const char* storage;
    DType dtype;
  } types[] = {{"FloatStorage", DType::kF32},     {"HalfStorage", DType::kF16},
               {"BFloat16Storage", DType::kBF16}, {"DoubleStorage", DType::kF64},
               {"CharStorage", DType::kI8},       {"ByteStorage", DType::kU8},
               {"ShortStorage", DType::kI16},     {"IntStorage", DType::kI32},
               {"LongStorage", DType::kI64},      {"BoolStorage", DType::kBool}};
  for (const auto& type : types) {
    PickledTensor tensor{.name = "t", .storage_type = type.storage};
    tensor.storage_elements = static_cast<int32_t>(24 / SizeOf(type.dtype));
    tensor.shape = {tensor.storage_elements};
    tensor.strides = {1};
    const std::string file = MakeTorchBin(PickleTensors({tensor}), kSix);
    EXPECT_EQ(Parse(file).tensors[0].view.dtype, type.dtype) << type.storage;
  }
}

TEST(TorchBin, CopiesStridedTensors) {
  const std::string file = MakeTorchBin(
      PickleTensors({{.name = "transposed", .shape = {3, 2}, .strides = {1, 3}},
                     {.name = "column", .offset = 1, .shape = {2, 1}, .strides = {3, 1}},
                     {.name = "expanded", .shape = {2, 2}, .strides = {0, 1}},
                     {.name = "empty", .shape = {0, 3}, .strides = {7, 9}},
                     {.name = "scalar", .offset = 5, .shape = {}, .strides = {}}}),
      kSix);
  const TensorMap map = Parse(file);
  EXPECT_EQ(Values(map.tensors[0].view), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_FALSE(Inside(map.tensors[0].view, file));
  EXPECT_EQ(Values(map.tensors[1].view), (std::vector<float>{1, 4}));
  EXPECT_EQ(Values(map.tensors[2].view), (std::vector<float>{0, 1, 0, 1}));
  EXPECT_TRUE(Values(map.tensors[3].view).empty());
  EXPECT_EQ(Values(map.tensors[4].view), std::vector<float>{5});
  EXPECT_EQ(map.owned.size(), 3u);
}

TEST(TorchBin, ReadsParametersMetadataAndNestedStateDicts) {
  const std::string parameter = PickleString("p") +
                                PickleGlobal("torch._utils", "_rebuild_parameter") + "(" +
                                PickleTensor({}) + "\x88" + "}tR";
  const std::string other = PickleString("epoch") + "K\x05";
  // An OrderedDict with attributes, as Module.state_dict() returns it.
  const std::string ordered = std::string("\x80\x02") + PickleGlobal("collections", "OrderedDict") +
                              ")R(" + parameter + other + "u}" + PickleString("_metadata") + "}sb.";
  const TensorMap map = Parse(MakeTorchBin(ordered, kSix));
  ASSERT_EQ(map.tensors.size(), 1u);
  EXPECT_EQ(map.tensors[0].name, "p");
  EXPECT_EQ(map.ignored, std::vector<std::string>{"epoch"});

  const std::string nested = PickleDict(PickleString("state_dict") + "}" + PickleString("t") +
                                        PickleTensor({}) + "s" + other);
  EXPECT_EQ(Parse(MakeTorchBin(nested, kSix)).tensors[0].name, "t");
}

TEST(TorchBin, RefusesCodeAndNamesIt) {
  const std::string call = PickleGlobal("os", "system") + "(" + PickleString("true") + "tR";
  EXPECT_EQ(PickleError(PickleDict(PickleString("x") + call)),
            "m.bin: the pickle refers to 'os.system', which a file of weights does not need; not "
            "read");
  // INST, OBJ, NEWOBJ, EXT1, PERSID, and a stack global of protocol 4.
  for (char opcode : {'i', 'o', '\x81', '\x82', 'P', '\x93'}) {
    EXPECT_PRED2(Contains, PickleError(std::string("\x80\x02") + opcode + "a\nb\n."),
                 fmt::format("pickle opcode 0x{:02x} at byte 2", static_cast<uint8_t>(opcode)));
  }
  EXPECT_PRED2(Contains, PickleError("\x80\x04}."), "pickle protocol 4, wanted 2");
}

TEST(TorchBin, RefusesBrokenPickles) {
  const struct {
    std::string pickle;
    const char* reason;
  } cases[] = {
      {"", "the pickle ends early"},
      {"}.", "not a pickle of protocol 2"},
      {"\x80\x02.", "empty stack"},
      {"\x80\x02N.", "holds a None, wanted a dict of tensors"},
      {"\x80\x02}(K\x01u.", "1 items for a dict"},
      {"\x80\x02}K\x01K\x02s.", "a key of the dict is a int"},
      {"\x80\x02K\x01K\x02K\x03s.", "2 items for a int"},
      {"\x80\x02u.", "no mark"},
      {"\x80\x02(s.", "2 values wanted"},
      {"\x80\x02}h\x07.", "memo 7 was never set"},
      {"\x80\x02X\xff\xff\xff\xff.", "the pickle ends early"},
      {std::string("\x80\x02X\x01") + std::string(3, '\0') + "\xff.", "not UTF-8"},
      {std::string("\x80\x02\x8a\x09") + std::string(9, '1') + ".", "integer of 9 bytes"},
      {"\x80\x02)R.", "empty stack"},
      {"\x80\x02N)R.", "call of a None"},
      {"\x80\x02N}b.", "attributes set on a None"},
      {"\x80\x02"
       "ccollections\nOrderedDict\nN\x85R.",
       "OrderedDict with arguments"},
      {"\x80\x02"
       "ctorch",
       "the pickle ends early"},
  };
  for (const auto& c : cases) EXPECT_PRED2(Contains, PickleError(c.pickle), c.reason) << c.reason;
}

TEST(TorchBin, BoundsWhatAPickleMayPile) {
  const auto repeated = [](const std::string& text, size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::string error = "m.bin: more than 500000 pickled values";
  const std::string begin = "\x80\x02";
  EXPECT_EQ(PickleError(begin + repeated("N0", kMaxPickleValues - 1) + "}."), "no error");
  EXPECT_EQ(PickleError(begin + repeated("N0", kMaxPickleValues) + "}."), error);
  EXPECT_EQ(PickleError(begin + repeated("(", kMaxPickleValues + 1)), error);
  EXPECT_EQ(PickleError(begin + "Nq" + std::string(1, '\0') +
                        repeated(std::string("h\0", 2), kMaxPickleValues + 1)),
            error);
  // A dict that holds itself costs nothing and is no tensor.
  EXPECT_EQ(PickleError(begin + "}q" + std::string(1, '\0') + "(" + PickleString("t") + "h" +
                        std::string(1, '\0') + "u."),
            "no error");
  std::string memo = begin + "N";
  for (uint32_t i = 0; i <= kMaxPickleValues; ++i) memo.append("r").append(LittleEndian(i));
  EXPECT_EQ(PickleError(memo), error);
  EXPECT_EQ(PickleError(std::string(kMaxPickleBytes + 1, 'N')),
            "m.bin: a pickle of 16777217 bytes, at most 16777216 are read");
}

TEST(TorchBin, RefusesTensorsOutsideTheirStorage) {
  EXPECT_EQ(TensorError({.name = "t", .shape = {3, 3}}),
            "m.bin: tensor 't': shape [3, 3] reaches element 8, its storage has 6");
  EXPECT_PRED2(Contains, TensorError({.offset = 1}), "reaches element 6, its storage has 6");
  EXPECT_PRED2(Contains, TensorError({.strides = {100, 1}}), "reaches element 102");
  EXPECT_PRED2(Contains, TensorError({.storage_elements = 7}), "its storage has 7 elements of F32");
  EXPECT_PRED2(Contains, TensorError({.storage_elements = -1}), "-1 elements");
  EXPECT_PRED2(Contains, TensorError({.key = "1"}), "the file has no entry 'm/data/1'");
  EXPECT_PRED2(Contains, TensorError({.shape = {-2, 3}}), "is not a size");
  EXPECT_PRED2(Contains, TensorError({.strides = {1}}), "2 dimensions but 1 strides");
  EXPECT_PRED2(Contains, TensorError({.storage_type = "ComplexFloatStorage"}),
               "refers to 'torch.ComplexFloatStorage'");
  // Elements that exist (stride 0) but whose copy would need more memory than the file has.
  EXPECT_PRED2(Contains, TensorError({.shape = {1 << 20, 1 << 20}, .strides = {0, 0}}),
               "its copy would exceed the file's own");
  EXPECT_PRED2(Contains, PickleError(PickleTensors({{.name = "t"}, {.name = "t"}})),
               "tensor 't' twice");
}

TEST(TorchBin, RefusesOtherFormats) {
  EXPECT_PRED2(Contains, ParseError("\x80\x02\x8a\x0al\xfc\x9c"), "old file format (before 1.6)");
  EXPECT_EQ(ParseError("hello"), "m.bin: not a file that torch.save wrote");
  EXPECT_EQ(ParseError(""), "m.bin: not a file that torch.save wrote");
  EXPECT_PRED2(Contains, ParseError(MakeZip({{.name = "a", .data = "b"}})), "without data.pkl");
}

TEST(TorchBin, EveryShorterFileIsAnError) {
  const std::string file = MakeTorchBin(PickleTensors({{.name = "t"}}), kSix);
  EXPECT_EQ(ParseError(file), "no error");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_PRED2(Contains, ParseError(file.substr(0, size)), "m.bin: ") << size;
  }
}

TEST(TorchBin, NoChangedByteIsReadOutOfBounds) {
  for (bool zip64 : {false, true}) {
    const std::string good = MakeTorchBin(PickleTensors({{.name = "t"}}), kSix, zip64);
    for (size_t i = 0; i < good.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
        try {
          for (const NamedTensor& tensor : Parse(bad).tensors) {
            ASSERT_TRUE(Inside(tensor.view, bad)) << i;
          }
        } catch (const Error&) {
        }
      }
    }
  }
}

TEST(TorchBin, NoChangedPickleIsReadOutOfBounds) {
  // As above, with the checksum made right again: the changes reach the unpickler.
  const std::string good = PickleTensors({{.shape = {3, 2}, .strides = {1, 3}}, {.name = "u"}});
  size_t accepted = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      const std::string file = MakeTorchBin(bad, kSix);
      try {
        const TensorMap map = Parse(file);
        ++accepted;
        for (const NamedTensor& tensor : map.tensors) {
          ASSERT_LE(tensor.view.NumBytes(), file.size());
          ASSERT_TRUE(Inside(tensor.view, file) || !map.owned.empty()) << i;
        }
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(accepted, 50u);  // letters of names, strides, offsets
}

TEST(ZipReader, RefusesInconsistentArchives) {
  const auto error = [](const ZipFile& file) {
    const std::string zip = MakeZip({{.name = "first", .data = "1"}, file});
    return ErrorOf([&] { ReadZip(std::as_bytes(std::span(zip)), "z"); });
  };
  EXPECT_EQ(error({.name = "n", .data = "data"}), "no error");
  EXPECT_EQ(error({.name = "n", .data = "data", .flags = 0, .local_size = 4}), "no error");
  EXPECT_EQ(error({.name = "n", .data = "data", .flags = 0, .local_size = 3}),
            "z: zip entry 'n': size 4 in the directory, 3 in the local header");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "data", .flags = 0}), "0 in the local header");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "d", .method = 8}), "compressed (method 8)");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "d", .flags = 1}), "is encrypted");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "d", .local_name = "m"}), "another name");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "d", .size_error = 1}), "broken zip");
  EXPECT_PRED2(Contains, error({.name = "n", .data = "d", .offset_error = 1}), "no local header");
  EXPECT_PRED2(Contains, error({.name = "first", .data = "d"}), "zip entry 'first' twice");
}

TEST(ZipReader, RefusesEntriesThatOverlap) {
  // The second entry's header and data are the data of the first.
  const std::string inner = MakeZip({{.name = "in", .data = "1234"}});
  const size_t local_header = 30 + 3 + 5;  // of "out", with the builder's extra field
  const std::string zip =
      MakeZip({{.name = "out", .data = inner},
               {.name = "in",
                .data = "1234",
                .offset_error = static_cast<int32_t>(local_header) -
                                static_cast<int32_t>(local_header + inner.size())}});
  EXPECT_EQ(
      ErrorOf([&] { ReadZip(std::as_bytes(std::span(zip)), "z"); }),
      fmt::format("z: broken zip: entry 'in' begins at byte {}, inside entry 'out', which ends "
                  "at {}",
                  local_header, local_header + inner.size()));
}

TEST(ZipReader, ChecksChecksums) {
  const std::string zip = MakeZip({{.name = "good", .data = "123456789"},
                                   {.name = "bad", .data = "123456789", .wrong_crc = true}});
  const auto entries = ReadZip(std::as_bytes(std::span(zip)), "z");
  EXPECT_EQ(entries[0].crc32, 0xCBF43926u);  // the check value of CRC-32
  EXPECT_TRUE(CrcMatches(entries[0]));
  EXPECT_FALSE(CrcMatches(entries[1]));
  EXPECT_PRED2(
      Contains,
      ParseError(MakeZip({{.name = "m/data.pkl", .data = "\x80\x02}.", .wrong_crc = true}})),
      "'m/data.pkl' does not have its checksum");
}

}  // namespace
}  // namespace ixc
