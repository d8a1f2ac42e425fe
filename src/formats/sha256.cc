#include "formats/sha256.h"

#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <array>

#include "base/error.h"

namespace ixc {
namespace {

void Check(int code) {
  if (code != 1) Fail("OpenSSL refuses to compute SHA-256 on this system");
}

}  // namespace

void Sha256Hash::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256Hash::Sha256Hash() : context_(EVP_MD_CTX_new()) {
  Check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256Hash::Update(std::span<const std::byte> bytes) {
  Check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string Sha256Hash::Finish() {
  std::array<unsigned char, 32> digest;
  Check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string Sha256(std::span<const std::byte> bytes) {
  Sha256Hash hash;
  hash.Update(bytes);
  return hash.Finish();
}

}  // namespace ixc
