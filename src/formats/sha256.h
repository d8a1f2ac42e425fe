// SHA-256 (FIPS 180-4), the checksum that download pages and Hugging Face's cache give. By OpenSSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace ixc {

class Sha256Hash {
 public:
  Sha256Hash();
  void Update(std::span<const std::byte> bytes);
  // 64 lower-case hexadecimal digits. Call once, at the end.
  std::string Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string Sha256(std::span<const std::byte> bytes);
inline std::string Sha256(std::span<const uint8_t> bytes) { return Sha256(std::as_bytes(bytes)); }

}  // namespace ixc
