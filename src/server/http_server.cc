#include "server/http_server.h"

#include <sys/resource.h>

#include <boost/asio/post.hpp>
#include <thread>
#include <vector>

#include "base/error.h"
#include "server/http_connection.h"

namespace ixc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// A connection takes a file; the soft limit is often 1,024 while the hard one is far above.
void RaiseFileLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// As many connections as files allow, with some to spare for the rest of the program.
int BoundConnections(int wanted) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  constexpr rlim_t kSpare = 128;
  const rlim_t usable = limit.rlim_cur > 2 * kSpare ? limit.rlim_cur - kSpare : limit.rlim_cur / 2;
  return static_cast<int>(std::min<rlim_t>(usable, static_cast<rlim_t>(wanted)));
}

}  // namespace

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const HttpLimits& limits, HttpHandler& handler)
      : shared_(std::make_shared<HttpShared>(limits, handler)),
        acceptor_(shared_->io),
        pause_(shared_->io) {
    RaiseFileLimit();
    max_connections_ = BoundConnections(limits.max_connections);
  }

  void Listen(const std::string& host, uint16_t port) {
    error_code error;
    const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) Fail("--host: wanted an address such as 127.0.0.1 or 0.0.0.0, found '{}'", host);
    const asio::ip::tcp::endpoint endpoint(address, port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(1024, error);
    if (error) Fail("cannot listen on {} port {}: {}", host, port, error.message());
    port_ = acceptor_.local_endpoint().port();
  }

  void Start() {
    Accept();
    thread_ = std::thread([this] { shared_->io.run(); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(shared_->io, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      for (const auto& weak : std::exchange(connections_, {})) {
        if (const auto connection = weak.lock()) connection->Leave();
      }
      shared_->stopped = true;
    });
    thread_.join();  // the thread ends when nothing is left to do
  }

  uint16_t port() const { return port_; }
  int num_connections() const { return shared_->num_connections; }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
      if (shared_->stopped) return;
      if (error) return AcceptLater();
      const bool full = shared_->num_connections >= max_connections_;
      auto connection = std::make_shared<HttpConnection>(shared_, std::move(socket));
      Remember(connection);
      full ? connection->TurnAway() : connection->Start();
      Accept();
    });
  }

  // For Stop(). Those that have ended are forgotten from time to time.
  void Remember(const std::shared_ptr<HttpConnection>& connection) {
    connections_.push_back(connection);
    if (connections_.size() < 2 * static_cast<size_t>(num_connections()) + 64) return;
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  }

  // Out of files, as a rule: trying again at once would take the whole processor.
  void AcceptLater() {
    pause_.expires_after(std::chrono::milliseconds(50));
    pause_.async_wait([this](error_code error) {
      if (!error) Accept();
    });
  }

  std::shared_ptr<HttpShared> shared_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::vector<std::weak_ptr<HttpConnection>> connections_;
  std::thread thread_;
  int max_connections_ = 0;
  uint16_t port_ = 0;
};

HttpServer::HttpServer(const std::string& host, uint16_t port, const HttpLimits& limits,
                       HttpHandler& handler)
    : impl_(std::make_shared<Impl>(limits, handler)) {
  impl_->Listen(host, port);
  impl_->Start();
}

HttpServer::~HttpServer() { Stop(); }

uint16_t HttpServer::port() const { return impl_->port(); }
int HttpServer::num_connections() const { return impl_->num_connections(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace ixc
