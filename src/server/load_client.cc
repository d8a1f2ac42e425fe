#include "server/load_client.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "server/event_reader.h"

namespace ixc {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

double SecondsBetween(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

LoadTarget LoadTarget::FromUrl(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  LoadTarget target;
  if (!url.starts_with(kScheme)) Fail("--url: wanted http://HOST:PORT, found '{}'", url);
  std::string rest = url.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  target.path = rest.substr(slash);
  while (target.path.ends_with('/')) target.path.pop_back();
  if (target.path.ends_with("/v1")) target.path.resize(target.path.size() - 3);
  rest.resize(slash);
  const size_t colon = rest.rfind(':');
  if (colon != rest.npos && rest.find(']', colon) == rest.npos) {
    target.port = rest.substr(colon + 1);
    rest.resize(colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  target.host = rest;
  if (target.host.empty() || target.port.empty()) Fail("--url: no host in '{}'", url);
  return target;
}

class LoadClient::Impl {
 public:
  explicit Impl(const LoadTarget& target) : target_(target), socket_(io_) {}

  std::string ModelName() {
    Connect();
    http::request<http::empty_body> request(http::verb::get, target_.path + "/v1/models", 11);
    SetFields(request);
    http::write(socket_, request);
    http::response<http::string_body> response;
    http::read(socket_, buffer_, response);
    if (response.result() != http::status::ok) {
      Fail("the server answers {} to /v1/models", response.result_int());
    }
    const Json json = ParseJson(response.body(), "answer of /v1/models");
    return JsonFields(json["data"][0], "answer of /v1/models").String("id");
  }

  LoadSample Ask(const std::string& body, int leave_after) {
    LoadSample sample;
    const Clock::time_point begin = Clock::now();
    try {
      // The server may have closed a connection that was idle: a new one then, once.
      const bool was_open = socket_.is_open();
      try {
        Exchange(body, leave_after, begin, sample);
      } catch (const boost::system::system_error&) {
        Close();
        if (!was_open || sample.status != 0) throw;
        Exchange(body, leave_after, begin, sample);
      }
    } catch (const std::exception&) {
      Close();
    }
    if (sample.total_seconds == 0) sample.total_seconds = SecondsBetween(begin, Clock::now());
    return sample;
  }

 private:
  void Connect() {
    if (socket_.is_open()) return;
    asio::ip::tcp::resolver resolver(io_);
    asio::connect(socket_, resolver.resolve(target_.host, target_.port));
    socket_.set_option(asio::ip::tcp::no_delay(true));
  }

  void Close() {
    error_code ignored;
    socket_.close(ignored);
    buffer_.clear();
  }

  template <typename Request>
  void SetFields(Request& request) const {
    request.set(http::field::host, target_.host);
    if (!target_.api_key.empty()) {
      request.set(http::field::authorization, "Bearer " + target_.api_key);
    }
  }

  void Exchange(const std::string& body, int leave_after, Clock::time_point begin,
                LoadSample& sample) {
    Connect();
    http::request<http::string_body> request(http::verb::post,
                                             target_.path + "/v1/chat/completions", 11);
    SetFields(request);
    request.set(http::field::content_type, "application/json");
    request.body() = body;
    request.prepare_payload();
    http::write(socket_, request);

    http::response_parser<http::buffer_body> parser;
    // Not boost::none: with that Boost 1.74 refuses every body of a given length.
    parser.body_limit(std::numeric_limits<uint64_t>::max());
    http::read_header(socket_, buffer_, parser);
    sample.status = parser.get().result_int();
    ReadEvents(parser, leave_after, begin, sample);
    if (!parser.get().keep_alive()) Close();
  }

  void ReadEvents(http::response_parser<http::buffer_body>& parser, int leave_after,
                  Clock::time_point begin, LoadSample& sample) {
    EventReader reader;
    std::array<char, 16384> bytes;
    Clock::time_point last = begin;
    int pieces = 0;
    while (!parser.is_done()) {
      parser.get().body().data = bytes.data();
      parser.get().body().size = bytes.size();
      error_code error;
      http::read_some(socket_, buffer_, parser, error);
      if (error && error != http::error::need_buffer) throw boost::system::system_error(error);
      const size_t got = bytes.size() - parser.get().body().size;
      const Clock::time_point now = Clock::now();
      for (const std::string& event : reader.Push({bytes.data(), got})) {
        if (!NoteEvent(event, sample)) continue;
        if (pieces++ == 0) {
          sample.first_seconds = SecondsBetween(begin, now);
        } else {
          sample.longest_gap_seconds =
              std::max(sample.longest_gap_seconds, SecondsBetween(last, now));
        }
        last = now;
        sample.total_seconds = SecondsBetween(begin, now);
        if (leave_after > 0 && pieces >= leave_after) {
          sample.left = true;
          return Close();
        }
      }
    }
  }

  // Whether the event brings text.
  static bool NoteEvent(const std::string& event, LoadSample& sample) {
    if (event == "[DONE]") {
      sample.complete = true;
      return false;
    }
    const Json json = ParseJson(event, "event");
    if (const auto usage = json.find("usage"); usage != json.end() && usage->is_object()) {
      sample.tokens = usage->value("completion_tokens", int64_t{0});
      sample.prompt_tokens = usage->value("prompt_tokens", int64_t{0});
      const Json details = usage->value("prompt_tokens_details", Json::object());
      sample.cached_tokens = details.value("cached_tokens", int64_t{0});
    }
    const auto choices = json.find("choices");
    if (choices == json.end() || choices->empty()) return false;
    const Json delta = (*choices)[0].value("delta", Json::object());
    return !delta.value("content", "").empty();
  }

  LoadTarget target_;
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

LoadClient::LoadClient(const LoadTarget& target) : impl_(std::make_unique<Impl>(target)) {}
LoadClient::~LoadClient() = default;

std::string LoadClient::ModelName() {
  try {
    return impl_->ModelName();
  } catch (const boost::system::system_error& error) {
    Fail("the server cannot be reached: {}", error.code().message());
  }
}

LoadSample LoadClient::Ask(const std::string& body, int leave_after) {
  return impl_->Ask(body, leave_after);
}

}  // namespace ixc
