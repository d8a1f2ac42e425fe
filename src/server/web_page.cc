#include "server/web_page.h"

#include <fmt/format.h>

#include <vector>

#include "base/base64.h"
#include "formats/sha256.h"

namespace ixc {
namespace {

constexpr unsigned char kPage[] = {
#include "index_html.inc"
};

std::string_view Page() { return {reinterpret_cast<const char*>(kPage), sizeof(kPage)}; }

// 'sha256-…' of a script, as a policy names it.
std::string HashSource(std::string_view script) {
  const std::string digits = Sha256(std::as_bytes(std::span(script)));
  std::vector<std::byte> hash;
  for (size_t i = 0; i < digits.size(); i += 2) {
    hash.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return fmt::format("'sha256-{}'", EncodeBase64(hash));
}

}  // namespace

std::string ContentSecurityPolicy(std::string_view html) {
  constexpr std::string_view kOpen = "<script>";
  constexpr std::string_view kClose = "</script>";
  std::string scripts;
  for (size_t at; (at = html.find(kOpen)) != html.npos;) {
    html.remove_prefix(at + kOpen.size());
    const size_t end = std::min(html.find(kClose), html.size());
    scripts += ' ';
    scripts += HashSource(html.substr(0, end));
    html.remove_prefix(end);
  }
  return fmt::format(
      "default-src 'none'; script-src{}; style-src 'unsafe-inline'; img-src data: blob:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      scripts.empty() ? " 'none'" : scripts);
}

HttpResponse WebPage() {
  static const std::string policy = ContentSecurityPolicy(Page());
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = Page();
  response.headers = {{"Content-Security-Policy", policy},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Frame-Options", "DENY"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Cache-Control", "no-cache"}};
  return response;
}

}  // namespace ixc
