// The only file that sees libcurl.
#include "server/url_fetcher.h"

#include <curl/curl.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "server/address_policy.h"
#include "server/api_error.h"

namespace ixc {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Refuse(const char* message, const char* code = "image_fetch_failed") {
  throw ApiError(400, code, "", message);
}

struct Delete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
template <typename T>
using Owned = std::unique_ptr<T, Delete>;

struct Target {
  std::string host;  // without brackets
  std::string port;
};

Target TargetOf(const std::string& url, const std::vector<std::string>& allowed_hosts) {
  const Owned<CURLU> parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    Refuse("the URL of a picture is not valid", "invalid_image_url");
  }
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, flags) != CURLUE_OK) {
      Refuse("the URL of a picture is not valid", "invalid_image_url");
    }
    return std::string(Owned<char>(text).get());
  };
  const std::string scheme = part(CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") {
    Refuse("a picture's URL begins with http:// or https://", "invalid_image_url");
  }
  Target target{part(CURLUPART_HOST, 0), part(CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  std::ranges::transform(target.host, target.host.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
  });
  if (std::ranges::find(allowed_hosts, target.host) == allowed_hosts.end()) {
    Refuse("pictures from that server are not allowed here", "image_host_not_allowed");
  }
  if (target.host.starts_with('[')) target.host = target.host.substr(1, target.host.size() - 2);
  return target;
}

// One address of the host, as text. All of them have to be public: which one a name gives first is
// up to whoever owns it.
std::string Resolve(const Target& target, bool allow_loopback) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found) != 0) {
    Refuse("the server of a picture was not found");
  }
  const Owned<addrinfo> addresses(found);
  std::string first;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    const bool excepted = allow_loopback && std::string_view(text) == "127.0.0.1";
    if (!IsPublicAddress(*entry->ai_addr) && !excepted) {
      Refuse("pictures from that server are not allowed here", "image_host_not_allowed");
    }
    if (first.empty()) first = text;
  }
  if (first.empty()) Refuse("the server of a picture was not found");
  return first;
}

struct Received {
  std::vector<std::byte> bytes;
  size_t max_bytes = 0;
  bool too_large = false;
};

size_t OnBytes(char* data, size_t, size_t size, void* target) {
  auto& received = *static_cast<Received*>(target);
  received.too_large = size > received.max_bytes - received.bytes.size();
  if (received.too_large) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  received.bytes.insert(received.bytes.end(), bytes, bytes + size);
  return size;
}

// Whatever the library would connect to, only what has been checked is: the last line of defence.
struct Checked {
  bool allow_loopback;
};

curl_socket_t OpenChecked(void* checked, curlsocktype, curl_sockaddr* address) {
  char text[NI_MAXHOST] = "";
  ::getnameinfo(&address->addr, address->addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
  const bool excepted =
      static_cast<const Checked*>(checked)->allow_loopback && std::string_view(text) == "127.0.0.1";
  if (!IsPublicAddress(address->addr) && !excepted) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// One GET. Returns where a redirection leads, or "" when `received` is the answer.
std::string Get(const std::string& url, const std::vector<std::string>& allowed_hosts,
                const FetchLimits& limits, Clock::time_point deadline, Received& received) {
  const Target target = TargetOf(url, allowed_hosts);
  const std::string address = Resolve(target, limits.allow_loopback);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) Refuse("the server of a picture took too long");
  const bool v6 = address.find(':') != address.npos;
  const std::string pin =
      target.host + ":" + target.port + ":" + (v6 ? "[" + address + "]" : address);
  const Owned<curl_slist> resolve(curl_slist_append(nullptr, pin.c_str()));
  const Owned<CURL> handle(curl_easy_init());
  if (handle == nullptr || resolve == nullptr) Refuse("the picture could not be fetched");
  Checked checked{limits.allow_loopback};
  received.bytes.clear();
  const auto set = [&](CURLoption option, auto value) {
    if (curl_easy_setopt(handle.get(), option, value) != CURLE_OK) {
      Refuse("the picture could not be fetched");
    }
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_RESOLVE, resolve.get());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PROXY, "");  // a proxy would resolve the name again
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(limits.max_bytes));
  set(CURLOPT_USERAGENT, "ixc");
  set(CURLOPT_OPENSOCKETFUNCTION, OpenChecked);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&checked));
  set(CURLOPT_WRITEFUNCTION, OnBytes);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&received));
  const CURLcode done = curl_easy_perform(handle.get());
  if (received.too_large || done == CURLE_FILESIZE_EXCEEDED) {
    Refuse("the picture is larger than pictures may be", "image_too_large");
  }
  if (done == CURLE_OPERATION_TIMEDOUT) Refuse("the server of a picture took too long");
  if (done != CURLE_OK) Refuse("the picture could not be fetched");
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status == 200) return "";
  const char* next = nullptr;
  curl_easy_getinfo(handle.get(), CURLINFO_REDIRECT_URL, &next);
  if (next == nullptr) Refuse("the server of a picture has no picture there");
  return next;
}

}  // namespace

std::vector<std::byte> FetchUrl(const std::string& url,
                                const std::vector<std::string>& allowed_hosts,
                                const FetchLimits& limits) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) Refuse("the picture could not be fetched");
  const Clock::time_point deadline = Clock::now() + limits.time;
  Received received;
  received.max_bytes = limits.max_bytes;
  std::string next = url;
  for (int hop = 0; hop <= limits.max_redirects; ++hop) {
    next = Get(next, allowed_hosts, limits, deadline, received);
    if (next.empty()) return std::move(received.bytes);
  }
  Refuse("the URL of a picture is redirected too often");
}

}  // namespace ixc
