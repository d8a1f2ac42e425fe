#include <gtest/gtest.h>

#include <random>

#include "base/base64.h"

namespace ixc {
namespace {

std::string Decoded(std::string_view text) {
  const auto bytes = DecodeBase64(text);
  if (!bytes) return "<refused>";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

// The test vectors of RFC 4648.
TEST(Base64, DecodesTheVectorsOfTheStandard) {
  EXPECT_EQ(Decoded(""), "");
  EXPECT_EQ(Decoded("Zg=="), "f");
  EXPECT_EQ(Decoded("Zm8="), "fo");
  EXPECT_EQ(Decoded("Zm9v"), "foo");
  EXPECT_EQ(Decoded("Zm9vYmFy"), "foobar");
  EXPECT_EQ(Decoded("+/+/"), "\xfb\xff\xbf");
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zm9v=", "Zh==", "Zm9=",
                           "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-_", "Zm9\xff", "=Zg="}) {
    EXPECT_EQ(Decoded(text), "<refused>") << text;
  }
}

TEST(Base64, GivesBackWhatWasEncoded) {
  std::mt19937 random(7);
  for (size_t size = 0; size < 200; ++size) {
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    const std::string text = EncodeBase64(bytes);
    EXPECT_EQ(text.size(), (size + 2) / 3 * 4);
    EXPECT_LE(size, MaxBase64Bytes(text.size()));
    ASSERT_EQ(DecodeBase64(text), bytes);
  }
}

}  // namespace
}  // namespace ixc
