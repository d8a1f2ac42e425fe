// Where pictures of requests may come from, and where not.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <filesystem>

#include "server/address_policy.h"
#include "server/api_error.h"
#include "server/data_url.h"
#include "server/http_server.h"
#include "server/media_root.h"
#include "server/picture_source.h"
#include "server/url_fetcher.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

template <typename Action>
std::string CodeOf(Action&& action) {
  try {
    action();
  } catch (const ApiError& error) {
    return error.code();
  }
  return "no error";
}

std::string AsString(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(DataUrl, IsReadStrictly) {
  EXPECT_EQ(AsString(ReadDataUrl("data:image/png;base64,Zm9v", 10)), "foo");
  EXPECT_EQ(AsString(ReadDataUrl("data:image/jpeg;charset=x;base64,Zm8=", 2)), "fo");
  EXPECT_EQ(AsString(ReadDataUrl("data:application/octet-stream;base64,", 2)), "");
  const struct {
    const char* url;
    const char* code;
  } cases[] = {
      {"data:", "invalid_image_url"},
      {"data:image/png;base64", "invalid_image_url"},
      {"data:image/png,foo", "invalid_image_url"},
      {"data:text/html;base64,Zm9v", "invalid_image_url"},
      {"data:image/png;base64,Zm9", "invalid_image_url"},
      {"data:image/png;base64,Zm%39v", "invalid_image_url"},
      {"data:image/png;base64,Zm9vZm9vZm9vZm9vZm9v", "image_too_large"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(CodeOf([&] { ReadDataUrl(c.url, 10); }), c.code) << c.url;
  }
}

TEST(PictureSource, OpensNothingUnlessTold) {
  for (const char* url :
       {"file:///etc/passwd", "http://example.com/a.png", "https://x/", "ftp://x/", "/etc/passwd",
        "", "javascript:1", "DATA:image/png;base64,"}) {
    EXPECT_EQ(CodeOf([&] { LoadPicture(url, "picture 1", {}); }), "invalid_image_url") << url;
  }
}

TEST(PictureSource, ErrorsNameThePictureAndNoPath) {
  const TempDir dir;
  dir.Write("a.png", "no picture");
  PictureOptions options;
  options.media_root = dir.path().string();
  const std::string message = ErrorOf([&] { LoadPicture("file:///a.png", "picture 2", options); });
  EXPECT_PRED2(Contains, message, "picture 2: ");
  EXPECT_EQ(message.find(dir.path().string()), message.npos) << message;
  EXPECT_EQ(CodeOf([&] { LoadPicture("data:image/png;base64,Zm9v", "p", {}); }), "invalid_image");
}

class MediaRoot : public testing::Test {
 protected:
  MediaRoot() : root_(dir_.path() / "root") {
    std::filesystem::create_directories(root_ / "sub");
    dir_.Write("secret.png", "secret");
    dir_.Write("root/a b.png", "inside");
    dir_.Write("root/sub/c.png", "deeper");
    std::filesystem::create_symlink(dir_.path() / "secret.png", root_ / "link.png");
    std::filesystem::create_symlink(dir_.path(), root_ / "up");
    std::filesystem::create_symlink("a b.png", root_ / "inner.png");
  }
  std::string Read(const std::string& path) {
    return AsString(ReadMediaFile(root_.string(), path, 100));
  }
  std::string Code(const std::string& path) {
    return CodeOf([&] { Read(path); });
  }

  TempDir dir_;
  std::filesystem::path root_;
};

TEST_F(MediaRoot, ReadsFilesBelowIt) {
  EXPECT_EQ(Read("/a%20b.png"), "inside");
  EXPECT_EQ(Read("a b.png"), "inside");
  EXPECT_EQ(Read("/sub/c.png"), "deeper");
  EXPECT_EQ(Read("/sub/./c.png"), "deeper");
}

TEST_F(MediaRoot, GivesNothingElse) {
  for (const char* path : {"/../secret.png", "/sub/../../secret.png", "/%2e%2e/secret.png",
                           "/link.png", "/inner.png", "/up/secret.png", "/nothing.png", "", "/",
                           "/sub", "/a%2", "/a%zz", "/a%00.png", "/proc/self/environ"}) {
    EXPECT_EQ(Code(path), "image_not_found") << path;
  }
  EXPECT_EQ(Code((dir_.path() / "secret.png").string()), "image_not_found");
  EXPECT_EQ(CodeOf([&] { ReadMediaFile(root_.string(), "/a b.png", 5); }), "image_too_large");
}

TEST_F(MediaRoot, DoesNotWaitForAFifo) {
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(Code("/fifo"), "image_not_found");
}

TEST(AddressPolicy, OnlyPublicAddressesAreOpen) {
  for (const char* open : {"8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255",
                           "172.32.0.0", "192.169.0.0", "223.255.255.255", "2606:4700::1111",
                           "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_TRUE(IsPublicAddress(open)) << open;
  }
  for (const char* closed : {"0.0.0.0",
                             "127.0.0.1",
                             "127.255.255.254",
                             "10.0.0.1",
                             "172.16.0.1",
                             "172.31.255.255",
                             "192.168.1.1",
                             "169.254.169.254",
                             "100.64.0.1",
                             "100.100.100.200",
                             "224.0.0.1",
                             "240.0.0.1",
                             "255.255.255.255",
                             "192.0.0.192",
                             "198.18.0.1",
                             "::",
                             "::1",
                             "fe80::1",
                             "fc00::1",
                             "fd00:ec2::254",
                             "ff02::1",
                             "::ffff:127.0.0.1",
                             "::ffff:10.0.0.1",
                             "64:ff9b::7f00:1",
                             "2002:7f00:1::",
                             "2001::1",
                             "2001:db8::1",
                             "::127.0.0.1",
                             "3fff::1",
                             "",
                             "localhost",
                             "127.1",
                             "0x7f.0.0.1",
                             "1.2.3"}) {
    EXPECT_FALSE(IsPublicAddress(closed)) << closed;
  }
}

// A server of pictures on this machine.
class PictureHost : public HttpHandler {
 public:
  std::optional<HttpResponse> Check(const HttpHead&) override { return std::nullopt; }
  void Handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) override {
    HttpResponse response;
    const std::string& path = request.head.path;
    if (path == "/large") {
      response.body = std::string(200, 'x');
    } else if (path == "/endless") {
      response.status = 302;
      response.headers = {{"Location", "/endless"}};
    } else if (path == "/once") {
      response.status = 302;
      response.headers = {{"Location", "/picture"}};
    } else if (path == "/metadata") {
      response.status = 302;
      response.headers = {{"Location", "http://169.254.169.254/latest"}};
    } else if (path == "/file") {
      response.status = 302;
      response.headers = {{"Location", "file:///etc/passwd"}};
    } else if (path == "/slow") {
      return;  // and the exchange with it
    } else if (path == "/pieces") {
      exchange->Begin({});
      for (int i = 0; i < 50; ++i) exchange->Write("0123456789");
      return exchange->End();
    } else {
      response.status = path == "/picture" ? 200 : 404;
      response.body = "picture";
    }
    exchange->Send(std::move(response));
  }
  HttpResponse Refusal(int status) override {
    HttpResponse response;
    response.status = status;
    return response;
  }
};

class UrlFetcher : public testing::Test {
 protected:
  std::string Url(const std::string& path, const std::string& host = "127.0.0.1") {
    return "http://" + host + ":" + std::to_string(server_.port()) + path;
  }
  std::string Fetch(const std::string& url) {
    FetchLimits limits;
    limits.max_bytes = 100;
    limits.time = std::chrono::milliseconds(1500);
    limits.allow_loopback = true;
    return AsString(FetchUrl(url, {"127.0.0.1", "169.254.169.254", "[::1]", "localhost"}, limits));
  }
  std::string Code(const std::string& url) {
    return CodeOf([&] { Fetch(url); });
  }

  PictureHost host_;
  HttpServer server_{"127.0.0.1", 0, {}, host_};
};

TEST_F(UrlFetcher, GetsWhatIsAllowed) {
  EXPECT_EQ(Fetch(Url("/picture")), "picture");
  EXPECT_EQ(Fetch(Url("/once")), "picture");
}

TEST_F(UrlFetcher, RefusesTheRest) {
  EXPECT_EQ(Code(Url("/nothing")), "image_fetch_failed");
  EXPECT_EQ(Code(Url("/large")), "image_too_large");
  EXPECT_EQ(Code(Url("/pieces")), "image_too_large");  // of unknown length
  EXPECT_EQ(Code(Url("/endless")), "image_fetch_failed");
  EXPECT_EQ(Code(Url("/slow")), "image_fetch_failed");
  EXPECT_EQ(Code(Url("/metadata")), "image_host_not_allowed");  // a hop to a closed address
  EXPECT_EQ(Code(Url("/file")), "invalid_image_url");
  EXPECT_EQ(Code("http://user:pass@127.0.0.1/picture"), "invalid_image_url");
  EXPECT_EQ(Code("http://example.com/picture"), "image_host_not_allowed");
  EXPECT_EQ(Code("http://127.0.0.1.example.com/"), "image_host_not_allowed");
  EXPECT_EQ(Code("ftp://127.0.0.1/picture"), "invalid_image_url");
  EXPECT_EQ(Code("http://"), "invalid_image_url");
}

TEST_F(UrlFetcher, AddressesOfThisMachineAreClosedUnlessTold) {
  const auto code = [&](const std::string& host) {
    return CodeOf([&] { FetchUrl(Url("/picture", host), {host}, {}); });
  };
  // Also in the spellings that resolvers understand.
  for (const char* host : {"127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f000001",
                           "0", "[::ffff:127.0.0.1]"}) {
    const std::string found = code(host);
    EXPECT_TRUE(found == "image_host_not_allowed" || found == "image_fetch_failed")
        << host << found;
  }
}

}  // namespace
}  // namespace ixc
