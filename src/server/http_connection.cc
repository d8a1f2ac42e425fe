#include "server/http_connection.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>

namespace ixc {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// How long, and how much, a client that was refused may go on sending before it is cut off: it
// could not read the answer otherwise.
constexpr std::chrono::milliseconds kLingerTime{2'000};

std::string ToString(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Message>
HttpHead HeadOf(const Message& message) {
  HttpHead head;
  head.method = ToString(message.method_string());
  head.path = ToString(message.target());
  head.path.resize(std::min(head.path.size(), head.path.find('?')));
  head.host = ToString(message[http::field::host]);
  head.authorization = ToString(message[http::field::authorization]);
  head.content_type = ToString(message[http::field::content_type]);
  return head;
}

// Whether reading ended because of what the client sent and not because it went away.
bool IsMalformed(const boost::system::error_code& error) {
  return error && error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::partial_message && error != http::error::end_of_stream;
}

}  // namespace

// Its functions post to the IO thread, where they count only while their request is answered.
class HttpConnection::Exchange : public HttpExchange,
                                 public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<HttpConnection> connection)
      : shared_(connection->shared_), connection_(std::move(connection)) {}

  void Post(std::function<void()> work) override {
    if (!shared_->stopped) asio::post(shared_->io, std::move(work));
  }

  void OnGone(std::function<void()> gone) override {
    PostIfCurrent([this, call = std::move(gone)](HttpConnection&) { gone_ = call; });
  }

  void Send(HttpResponse response) override {
    PostIfCurrent([answer = std::move(response)](HttpConnection& connection) mutable {
      connection.SendHead(answer, answer.body.size());
      connection.Enqueue(std::move(answer.body));
      connection.EndAnswer();
    });
  }

  void Begin(HttpResponse head) override {
    PostIfCurrent([answer = std::move(head)](HttpConnection& connection) {
      connection.SendHead(answer, std::nullopt);
    });
  }

  void Write(std::string piece) override {
    if (piece.empty()) return;  // an empty chunk would end the answer
    PostIfCurrent([bytes = std::move(piece)](HttpConnection& connection) mutable {
      if (connection.chunked_) bytes = fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
      connection.Enqueue(std::move(bytes));
    });
  }

  void End() override {
    PostIfCurrent([](HttpConnection& connection) {
      if (connection.chunked_) connection.Enqueue("0\r\n\r\n");
      connection.EndAnswer();
    });
  }

  // On the IO thread: the connection goes on without this exchange.
  void Detach() {
    connection_.reset();
    gone_ = nullptr;
  }
  void Gone() {
    connection_.reset();
    if (auto call = std::exchange(gone_, nullptr)) call();
  }

 private:
  template <typename Work>
  void PostIfCurrent(Work work) {
    Post([self = shared_from_this(), run = std::move(work)]() mutable {
      if (const auto connection = self->connection_) run(*connection);
    });
  }

  std::shared_ptr<HttpShared> shared_;
  std::shared_ptr<HttpConnection> connection_;  // touched on the IO thread only
  std::function<void()> gone_;
};

HttpConnection::HttpConnection(std::shared_ptr<HttpShared> shared, asio::ip::tcp::socket socket)
    : shared_(std::move(shared)), socket_(std::move(socket)), timer_(shared_->io) {
  ++shared_->num_connections;
  // Room for one head; what comes of a body is moved out of it as it arrives.
  buffer_.max_size(2 * shared_->limits.max_header_bytes + 4096);
}

HttpConnection::~HttpConnection() { --shared_->num_connections; }

void HttpConnection::Start() {
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  AwaitRequest();
}

void HttpConnection::TurnAway() { RefuseAndClose(503); }

// --- reading -----------------------------------------------------------------------------------

void HttpConnection::AwaitRequest() {
  exchange_.reset();
  body_share_ = {};
  answer_ended_ = in_pieces_ = chunked_ = false;
  keep_alive_ = true;
  if (buffer_.size() > 0) return ReadHead();  // sent together with the request before
  SetDeadline(shared_->limits.idle);
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](ErrorCode error) {
                       if (error || self->timed_out_ || self->left_) return self->Leave();
                       self->ReadHead();
                     });
}

void HttpConnection::ReadHead() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(shared_->limits.max_header_bytes));
  parser_->body_limit(shared_->limits.max_body_bytes);
  SetDeadline(shared_->limits.head);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, size_t) { self->OnHead(error); });
}

void HttpConnection::OnHead(ErrorCode error) {
  if (left_) return;
  if (timed_out_) return RefuseAndClose(408);
  if (error == http::error::end_of_stream) return Leave();
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return RefuseAndClose(431);
  }
  if (error == http::error::body_limit) return RefuseAndClose(413);
  if (IsMalformed(error)) return RefuseAndClose(400);
  if (error) return Leave();

  keep_alive_ = parser_->get().keep_alive();
  if (auto answer = shared_->handler.Check(HeadOf(parser_->get()))) {
    if (parser_->is_done()) {
      // There is no body, so the connection stays usable.
      exchange_ = std::make_shared<Exchange>(shared_from_this());
      WatchForLeaving();
      return exchange_->Send(*std::move(answer));
    }
    return SendAndClose(*std::move(answer));
  }
  ReadBody();
}

void HttpConnection::ReadBody() {
  const auto length = parser_->content_length();
  if (length && *length > shared_->limits.max_body_bytes) return RefuseAndClose(413);
  SetDeadline(shared_->limits.body);
  if (!boost::beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    return ReadMoreOfBody();
  }
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this()](ErrorCode error, size_t) {
                      if (error) return self->Leave();
                      self->ReadMoreOfBody();
                    });
}

void HttpConnection::ReadMoreOfBody() {
  if (parser_->is_done()) return OnRequest();
  http::async_read_some(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](ErrorCode error, size_t) { self->OnPartOfBody(error); });
}

void HttpConnection::OnPartOfBody(ErrorCode error) {
  if (left_) return;
  if (timed_out_) return RefuseAndClose(408);
  if (error == http::error::body_limit) return RefuseAndClose(413);
  if (IsMalformed(error)) return RefuseAndClose(400);
  if (error) return Leave();
  // Counted as it comes: who announces much and sends little takes nothing from the others.
  if (!body_share_.GrowTo(shared_->bodies, parser_->get().body().size())) {
    return RefuseAndClose(503);
  }
  ReadMoreOfBody();
}

void HttpConnection::OnRequest() {
  ClearDeadline();
  HttpRequest request{HeadOf(parser_->get()), std::move(parser_->get().body())};
  exchange_ = std::make_shared<Exchange>(shared_from_this());
  WatchForLeaving();
  shared_->handler.Handle(std::move(request), exchange_);
}

// A client that closes its end while it waits has left. One that sends its next request already
// is not watched any more: what it sent has to stay where it is.
void HttpConnection::WatchForLeaving() {
  socket_.async_wait(
      asio::ip::tcp::socket::wait_read,
      [self = shared_from_this(), watched = std::weak_ptr(exchange_)](ErrorCode error) {
        if (self->exchange_ == nullptr || watched.lock() != self->exchange_) return;
        if (error) return self->Leave();
        char byte;
        ErrorCode peeked;
        self->socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, peeked);
        if (peeked && peeked != asio::error::would_block) self->Leave();
      });
}

// --- answering ---------------------------------------------------------------------------------

void HttpConnection::RefuseAndClose(int status) { SendAndClose(shared_->handler.Refusal(status)); }

void HttpConnection::SendAndClose(HttpResponse response) {
  timed_out_ = false;
  keep_alive_ = false;
  body_share_ = {};
  SendHead(response, response.body.size());
  Enqueue(std::move(response.body));
  EndAnswer();
}

void HttpConnection::SendHead(const HttpResponse& response, std::optional<size_t> length) {
  const bool http_1_0 = parser_ && parser_->is_header_done() && parser_->get().version() < 11;
  in_pieces_ = !length;
  chunked_ = in_pieces_ && !http_1_0;
  if (in_pieces_ && http_1_0) keep_alive_ = false;  // the end of the connection is its end
  std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nX-Content-Type-Options: nosniff\r\n", response.status,
      ToString(http::obsolete_reason(static_cast<http::status>(response.status))),
      response.content_type);
  if (length) head += fmt::format("Content-Length: {}\r\n", *length);
  if (chunked_) head += "Transfer-Encoding: chunked\r\n";
  for (const auto& [name, value] : response.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  head += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  Enqueue(std::move(head));
}

void HttpConnection::Enqueue(std::string bytes) {
  if (bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  unsent_.push_back(std::move(bytes));
  if (in_pieces_ && unsent_bytes_ > shared_->limits.max_unread_bytes) return Leave();
  if (!writing_) WriteMore();
}

void HttpConnection::EndAnswer() {
  answer_ended_ = true;
  if (exchange_ != nullptr) exchange_->Detach();
  if (!writing_ && unsent_.empty()) AfterAnswer();
}

void HttpConnection::WriteMore() {
  writing_ = true;
  SetDeadline(shared_->limits.write);
  const std::string& front = unsent_.front();
  socket_.async_write_some(
      asio::buffer(front.data() + sent_of_front_, front.size() - sent_of_front_),
      [self = shared_from_this()](ErrorCode error, size_t bytes) {
        self->OnWritten(error, bytes);
      });
}

void HttpConnection::OnWritten(ErrorCode error, size_t bytes) {
  writing_ = false;
  // Leave() may have come between the writing and this handler: then nothing is left to count.
  if (left_) return;
  if (error || timed_out_) return Leave();
  sent_of_front_ += bytes;
  unsent_bytes_ -= bytes;
  if (sent_of_front_ == unsent_.front().size()) {
    unsent_.pop_front();
    sent_of_front_ = 0;
  }
  if (!unsent_.empty()) return WriteMore();
  ClearDeadline();
  if (answer_ended_) AfterAnswer();
}

void HttpConnection::AfterAnswer() {
  if (!keep_alive_) return Linger();
  ErrorCode ignored;
  exchange_.reset();
  socket_.cancel(ignored);  // ends the watch for leaving
  AwaitRequest();
}

// Closing while the client still sends would make the kernel reset the connection and with it
// throw away the answer that is on its way. So the rest is read and dropped for a while.
void HttpConnection::Linger() {
  if (exchange_ != nullptr) exchange_.reset();
  ErrorCode ignored;
  socket_.cancel(ignored);
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  SetDeadline(kLingerTime);
  struct Drain {
    std::shared_ptr<HttpConnection> self;
    std::shared_ptr<std::array<char, 16384>> dropped;
    void operator()(ErrorCode error, size_t) const {
      if (error || self->timed_out_) return self->Leave();
      self->socket_.async_read_some(asio::buffer(*dropped), *this);
    }
  };
  Drain{shared_from_this(), std::make_shared<std::array<char, 16384>>()}({}, 0);
}

void HttpConnection::Leave() {
  ErrorCode ignored;
  left_ = true;
  ClearDeadline();
  socket_.close(ignored);
  body_share_ = {};
  unsent_.clear();
  unsent_bytes_ = sent_of_front_ = 0;
  if (auto exchange = std::exchange(exchange_, nullptr)) exchange->Gone();
}

// --- deadlines ---------------------------------------------------------------------------------

// When it passes, what the socket waits for ends with an error, and the handler of that sees
// timed_out_.
void HttpConnection::SetDeadline(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  timed_out_ = false;
  timer_.async_wait([weak = weak_from_this()](ErrorCode error) {
    const auto self = weak.lock();
    // A handler that was queued before the deadline was moved finds it in the future.
    if (error || self == nullptr || self->timer_.expiry() > std::chrono::steady_clock::now())
      return;
    self->timed_out_ = true;
    ErrorCode ignored;
    self->socket_.cancel(ignored);
  });
}

void HttpConnection::ClearDeadline() { timer_.expires_at(asio::steady_timer::time_point::max()); }

}  // namespace ixc
