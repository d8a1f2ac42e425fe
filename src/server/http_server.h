// An HTTP/1.1 server on one IO thread: keep-alive, limits on everything that a client controls, and
// answers that are cut when their client does not read them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "server/http.h"

namespace ixc {

struct HttpLimits {
  size_t max_header_bytes = size_t{16} << 10;
  size_t max_body_bytes = size_t{32} << 20;
  // Of all bodies that are being read or waited for at one time.
  size_t max_bodies_bytes = size_t{512} << 20;
  // Of an answer in pieces that the client has not read yet.
  size_t max_unread_bytes = size_t{1} << 20;
  int max_connections = 4096;
  std::chrono::milliseconds idle{60'000};   // between two requests
  std::chrono::milliseconds head{10'000};   // from the first byte of a head to its last
  std::chrono::milliseconds body{60'000};   // for the whole body
  std::chrono::milliseconds write{30'000};  // without a byte that the client takes
};

class HttpServer {
 public:
  // Listens at once; throws ixc::Error when it cannot. Port 0 takes a free one. The handler must
  // outlive the server, and exchanges may be kept longer than it.
  HttpServer(const std::string& host, uint16_t port, const HttpLimits& limits,
             HttpHandler& handler);
  ~HttpServer();  // Stop()

  uint16_t port() const;
  int num_connections() const;
  // Closes all connections and ends the IO thread.
  void Stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ixc
