// Seeded changes of a good input: what a damaged or forged file looks like.
#pragma once

#include <algorithm>
#include <random>
#include <string>

namespace ixc {

// One to four changes, each of a byte, a bit, a stretch that is removed, doubled or moved, or a
// number that is set to an extreme.
inline std::string Mutate(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (size_t change = 0, changes = 1 + below(4); change < changes && !bytes.empty(); ++change) {
    const size_t at = below(bytes.size());
    const size_t length = 1 + below(std::min<size_t>(bytes.size() - at, 16));
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        bytes.insert(below(bytes.size()), bytes.substr(at, length));
        break;
      default:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length,
                    below(2) == 0 ? '\xff' : '\0');
    }
  }
  return bytes;
}

}  // namespace ixc
