// One connection of a client: a request is read, answered, and the next one read. Internal to the
// HTTP server. All of it runs on the IO thread but for the exchange's functions, which post there.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "server/byte_budget.h"
#include "server/http_server.h"

namespace ixc {

// What connections share; kept alive by every one of them.
struct HttpShared {
  HttpShared(const HttpLimits& given, HttpHandler& routes)
      : limits(given), handler(routes), bodies(given.max_bodies_bytes) {}

  boost::asio::io_context io{1};
  const HttpLimits limits;
  HttpHandler& handler;
  ByteBudget bodies;
  std::atomic<int> num_connections{0};
  std::atomic<bool> stopped{false};  // nothing new goes to `io`
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpShared> shared, boost::asio::ip::tcp::socket socket);
  ~HttpConnection();

  void Start();
  void Leave();  // the client is gone, or has to go
  // Answers 503 and closes: there are too many connections.
  void TurnAway();

 private:
  class Exchange;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;

  void AwaitRequest();
  void ReadHead();
  void OnHead(ErrorCode error);
  void ReadBody();
  void ReadMoreOfBody();
  void OnPartOfBody(ErrorCode error);
  void OnRequest();
  void WatchForLeaving();
  void RefuseAndClose(int status);
  void SendAndClose(HttpResponse response);

  // The answer, for Exchange.
  void SendHead(const HttpResponse& response, std::optional<size_t> length);
  void Enqueue(std::string bytes);
  void EndAnswer();

  void WriteMore();
  void OnWritten(ErrorCode error, size_t bytes);
  void AfterAnswer();
  void Linger();

  void SetDeadline(std::chrono::milliseconds time);
  void ClearDeadline();

  std::shared_ptr<HttpShared> shared_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  ByteBudget::Share body_share_;

  std::shared_ptr<Exchange> exchange_;  // of the request that is being answered
  std::deque<std::string> unsent_;
  size_t unsent_bytes_ = 0;
  size_t sent_of_front_ = 0;
  bool writing_ = false;
  bool answer_ended_ = false;
  bool in_pieces_ = false;
  bool chunked_ = false;
  bool keep_alive_ = true;
  bool timed_out_ = false;
  bool left_ = false;  // handlers that were under way do nothing any more
};

}  // namespace ixc
