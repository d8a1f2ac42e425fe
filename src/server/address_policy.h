// Which IP addresses are somebody else's: the ones that a URL of a client may lead to.
#pragma once

#include <string>

struct sockaddr;

namespace ixc {

// False for addresses of this machine, of private networks, of the link, for multicast, reserved
// ranges and IPv6 forms that embed such an IPv4 address. By the special-purpose registries of IANA.
bool IsPublicAddress(const sockaddr& address);
bool IsPublicAddress(const std::string& text);  // false for what is no address

}  // namespace ixc
