#include "server/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace ixc {
namespace {

using V6 = std::array<uint8_t, 16>;

struct V4Range {
  uint32_t network;
  int bits;
};

constexpr uint32_t V4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr V4Range kClosedV4[] = {
    {V4(0, 0, 0, 0), 8},        // this network
    {V4(10, 0, 0, 0), 8},       // private
    {V4(100, 64, 0, 0), 10},    // carrier-grade NAT; metadata services of some clouds
    {V4(127, 0, 0, 0), 8},      // loopback
    {V4(169, 254, 0, 0), 16},   // link-local; metadata services
    {V4(172, 16, 0, 0), 12},    // private
    {V4(192, 0, 0, 0), 24},     // protocol assignments
    {V4(192, 0, 2, 0), 24},     // documentation
    {V4(192, 88, 99, 0), 24},   // 6to4 relays
    {V4(192, 168, 0, 0), 16},   // private
    {V4(198, 18, 0, 0), 15},    // benchmarks
    {V4(198, 51, 100, 0), 24},  // documentation
    {V4(203, 0, 113, 0), 24},   // documentation
    {V4(224, 0, 0, 0), 4},      // multicast
    {V4(240, 0, 0, 0), 4},      // reserved, broadcast
};

bool IsPublicV4(uint32_t address) {
  return std::ranges::none_of(kClosedV4, [address](const V4Range& range) {
    return (address ^ range.network) >> (32 - range.bits) == 0;
  });
}

uint32_t V4At(const V6& address, size_t at) {
  return V4(address[at], address[at + 1], address[at + 2], address[at + 3]);
}

bool StartsWith(const V6& address, std::span<const uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

bool IsPublicV6(const V6& address) {
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<uint8_t, 12> kNat64 = {0, 0x64, 0xff, 0x9b};
  if (StartsWith(address, kMapped) || StartsWith(address, kNat64)) {
    return IsPublicV4(V4At(address, 12));
  }
  if (address[0] == 0x20 && address[1] == 0x02) return IsPublicV4(V4At(address, 2));  // 6to4
  if ((address[0] & 0xe0) != 0x20) return false;  // only 2000::/3 is global unicast
  constexpr std::array<uint8_t, 3> kProtocols = {0x20, 0x01, 0x00};  // 2001::/23, Teredo in it
  if (StartsWith(address, std::span(kProtocols).first<2>()) && address[2] < 2) return false;
  constexpr std::array<uint8_t, 4> kDocumentation = {0x20, 0x01, 0x0d, 0xb8};
  if (StartsWith(address, kDocumentation)) return false;
  return !(address[0] == 0x3f && address[1] == 0xff && address[2] < 0x10);  // documentation too
}

}  // namespace

bool IsPublicAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    return IsPublicV4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof(v6));
  V6 bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return IsPublicV6(bytes);
}

bool IsPublicAddress(const std::string& text) {
  in_addr v4;
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return IsPublicV4(ntohl(v4.s_addr));
  V6 v6;
  return ::inet_pton(AF_INET6, text.c_str(), v6.data()) == 1 && IsPublicV6(v6);
}

}  // namespace ixc
