// The whole server but the model: real sockets, and a double of the engine behind them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "server/api.h"
#include "server/http_server.h"
#include "text/chat_template.h"
#include "unit/scripted_service.h"
#include "unit/temp_dir.h"
#include "unit/text_test_tokenizers.h"

namespace ixc {
namespace {

// A client that sends bytes and reads until the server closes.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { Close(); }
  void Close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // Until there are `count` times `end`, or the connection ends.
  std::string ReadUntil(const std::string& end, int count = 1) const {
    std::string text;
    char byte;
    for (size_t from = 0; count > 0 && ::recv(socket_, &byte, 1, 0) == 1;) {
      text += byte;
      const size_t at = text.find(end, from);
      if (at == text.npos) continue;
      from = at + end.size();
      --count;
    }
    return text;
  }
  std::string ReadAll() const { return ReadUntil("no answer has this"); }

 private:
  int socket_;
};

std::string Get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n";
}

std::string Post(const std::string& path, const std::string& body,
                 const std::string& headers = "") {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

std::string ChatBody(const std::string& more = "") {
  return R"({"model": "m", "messages": [{"role": "user", "content": "Hi"}])" + more + "}";
}

int StatusOf(const std::string& answer) {
  return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3));
}

Json JsonOf(const std::string& answer) {
  const size_t at = answer.find("\r\n\r\n");
  return at == answer.npos ? Json() : ParseJson(std::string_view(answer).substr(at + 4), "answer");
}

// The JSON of every event of a stream.
std::vector<std::string> EventsOf(const std::string& answer) {
  std::vector<std::string> events;
  for (size_t at = 0; (at = answer.find("data: ", at)) != answer.npos;) {
    const size_t end = answer.find("\n\n", at);
    events.push_back(answer.substr(at + 6, end - at - 6));
    at = end;
  }
  return events;
}

class ServerTest : public testing::Test {
 protected:
  void Serve(ScriptedService::Script script, ApiOptions options = {}, HttpLimits limits = {}) {
    options.model_name = "m";
    service_ = std::make_unique<ScriptedService>(std::move(script));
    api_ = std::make_unique<Api>(std::move(options));
    server_ = std::make_unique<HttpServer>("127.0.0.1", 0, limits, *api_);
    ServedModel model;
    model.service = service_.get();
    model.tokenizer = &SmallTokenizer();
    model.max_context = 4096;
    model.pieces = std::make_shared<const PieceTrie>(SmallTokenizer(), kTurnEnd);
    model.stop_ids = StopIds(SmallTokenizer());
    if (loads_) api_->SetModel(std::move(model));
  }
  void TearDown() override {
    if (server_) server_->Stop();
    if (api_) api_->Stop();
  }
  std::string Ask(const std::string& bytes) const {
    const Client client(server_->port());
    client.Send(bytes);
    return client.ReadAll();
  }

  bool loads_ = true;
  std::unique_ptr<ScriptedService> service_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerTest, AnswersAChat) {
  Serve({.tokens = {"Hel", "lo"}});
  const std::string answer = Ask(Post("/v1/chat/completions", ChatBody()));
  EXPECT_EQ(StatusOf(answer), 200) << answer;
  const Json json = JsonOf(answer);
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["choices"][0]["message"],
            ParseJson(R"({"role": "assistant", "content": "Hello"})", ""));
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["choices"][0]["logprobs"], nullptr);
  EXPECT_EQ(json["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(json["usage"]["completion_tokens"], 2);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
}

TEST_F(ServerTest, StreamsAChat) {
  Serve({.tokens = {"Hel", "", "lo"}});
  const std::string answer =
      Ask(Post("/v1/chat/completions",
               ChatBody(R"(, "stream": true, "n": 2, "stream_options": {"include_usage": true})")));
  EXPECT_EQ(StatusOf(answer), 200) << answer;
  std::map<int, std::string> texts;
  std::map<int, int> ends;
  const std::vector<std::string> events = EventsOf(answer);
  ASSERT_GT(events.size(), 3u) << answer;
  EXPECT_EQ(events.back(), "[DONE]");
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    const Json event = ParseJson(events[i], "event");
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    const Json& choice = event["choices"][0];
    if (i < 2) {
      EXPECT_EQ(choice["delta"]["role"], "assistant");
    }
    if (choice["finish_reason"] == "stop") ++ends[choice["index"].get<int>()];
    texts[choice["index"].get<int>()] += choice["delta"].value("content", "");
  }
  EXPECT_EQ(texts, (std::map<int, std::string>{{0, "Hello"}, {1, "Hello"}}));
  EXPECT_EQ(ends, (std::map<int, int>{{0, 1}, {1, 1}}));
  const Json usage = ParseJson(events[events.size() - 2], "event");
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 6);
}

TEST_F(ServerTest, EachChoiceHasASeedOfItsOwn) {
  Serve({.tokens = {"x"}});
  Ask(Post("/v1/chat/completions", ChatBody(R"(, "seed": 5, "n": 3)")));
  ASSERT_EQ(service_->requests().size(), 3u);
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(service_->requests()[i].request.generation.seed, 5 + i);
  }
}

TEST_F(ServerTest, ConstraintsAreNotShared) {
  Serve({.tokens = {"x"}});
  Ask(Post("/v1/chat/completions",
           ChatBody(R"(, "response_format": {"type": "json_object"}, "n": 2)")));
  ASSERT_EQ(service_->requests().size(), 2u);
  EXPECT_NE(service_->requests()[0].constraint, nullptr);
  EXPECT_NE(service_->requests()[0].constraint, service_->requests()[1].constraint);
}

TEST_F(ServerTest, TellsProbabilities) {
  Serve({.tokens = {"a", "\xC3"}});
  const Json chat = JsonOf(
      Ask(Post("/v1/chat/completions", ChatBody(R"(, "logprobs": true, "top_logprobs": 1)"))));
  const Json& content = chat["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0]["token"], "a");
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[1]["bytes"], Json::array({0xC3}));
  EXPECT_EQ(content[1]["top_logprobs"].size(), 1u);
  const Json text =
      JsonOf(Ask(Post("/v1/completions", R"({"model": "m", "prompt": "x", "logprobs": 1})")));
  EXPECT_EQ(text["choices"][0]["logprobs"]["tokens"][0], "a");
  EXPECT_EQ(text["choices"][0]["logprobs"]["text_offset"], Json::array({0, 1}));
}

TEST_F(ServerTest, ErrorsOfTheEngineHaveTheirStatus) {
  const struct {
    ServiceErrorKind kind;
    int status;
    const char* code;
  } cases[] = {{ServiceErrorKind::kBadRequest, 400, "invalid_request"},
               {ServiceErrorKind::kContextLength, 400, "context_length_exceeded"},
               {ServiceErrorKind::kQueueFull, 429, "queue_full"},
               {ServiceErrorKind::kDraining, 503, "draining"},
               {ServiceErrorKind::kInternal, 500, "internal_error"}};
  for (const auto& c : cases) {
    Serve({.error = ServiceError{c.kind, "why"}});
    for (const char* stream : {"", R"(, "stream": true)"}) {
      const std::string answer = Ask(Post("/v1/chat/completions", ChatBody(stream)));
      EXPECT_EQ(StatusOf(answer), c.status) << answer;
      EXPECT_EQ(JsonOf(answer)["error"]["code"], c.code);
      EXPECT_EQ(answer.find("Retry-After: ") != answer.npos, c.status == 429 || c.status == 503);
    }
    TearDown();
  }
}

TEST_F(ServerTest, WrongRequestsAreAnsweredInOpenaisShape) {
  Serve({.tokens = {"x"}});
  const struct {
    std::string bytes;
    int status;
    const char* code;
  } cases[] = {
      {Get("/nothing"), 404, "not_found"},
      {Get("/v1/chat/completions"), 405, "method_not_allowed"},
      {Post("/health", "{}"), 405, "method_not_allowed"},
      {Post("/v1/chat/completions", "{"), 400, "invalid_json"},
      {Post("/v1/chat/completions",
            R"({"model": "other", "messages": [{"role": "user", "content": "x"}]})"),
       404, "model_not_found"},
      {"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 403,
       "host_not_allowed"},
      {"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: "
       "2\r\nContent-Type: "
       "text/plain\r\n\r\n{}",
       415, "unsupported_media_type"},
      {"rubbish\r\n\r\n", 400, "invalid_http"},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", 431,
       "header_too_large"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
       "Content-Length: 99999999999\r\n\r\n",
       413, "body_too_large"},
      {"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
       "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400, "invalid_http"},
  };
  TearDown();
  ApiOptions options;
  options.allowed_hosts = {"localhost"};
  Serve({.tokens = {"x"}}, std::move(options));
  for (const auto& c : cases) {
    const std::string answer = Ask(c.bytes);
    EXPECT_EQ(StatusOf(answer), c.status) << c.bytes.substr(0, 200);
    const Json error = JsonOf(answer)["error"];
    EXPECT_EQ(error["code"], c.code) << answer;
    EXPECT_TRUE(error["message"].is_string());
    EXPECT_TRUE(error["type"].is_string());
    EXPECT_TRUE(error.contains("param"));
  }
}

TEST_F(ServerTest, KeysGuardEverythingButHealth) {
  ApiOptions options;
  options.keys =
      ApiKeys::FromText("# keys\n\nfirst-key-0123456789\nsecond-key-012345678\r\n", "keys");
  Serve({.tokens = {"x"}}, std::move(options));
  const std::string wrong = "Authorization: Bearer first-key-012345678\r\n";
  for (const char* path : {"/", "/metrics", "/v1/models", "/nothing"}) {
    EXPECT_EQ(StatusOf(Ask(Get(path))), 401) << path;
    EXPECT_EQ(StatusOf(Ask(Get(path, wrong))), 401) << path;
  }
  for (const char* path : {"/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"}) {
    const std::string answer = Ask(Post(path, ChatBody(), wrong));
    EXPECT_EQ(StatusOf(answer), 401) << path;
    EXPECT_EQ(JsonOf(answer)["error"]["code"], "invalid_api_key");
  }
  EXPECT_EQ(StatusOf(Ask(Get("/health"))), 200);
  EXPECT_TRUE(service_->requests().empty());
  for (const char* header : {"Authorization: Bearer first-key-0123456789\r\n",
                             "authorization: bearer second-key-012345678\r\n",
                             // any name with the key as the password, which is what browsers send
                             "Authorization: Basic YWRhOmZpcnN0LWtleS0wMTIzNDU2Nzg5\r\n"}) {
    EXPECT_EQ(StatusOf(Ask(Post("/v1/chat/completions", ChatBody(), header))), 200) << header;
  }
  ASSERT_EQ(service_->requests().size(), 3u);
  EXPECT_NE(service_->requests()[0].cache_space, service_->requests()[1].cache_space);
  EXPECT_EQ(service_->requests()[0].cache_space, service_->requests()[2].cache_space);
}

TEST(ApiKeys, BadFilesAreRefused) {
  for (const char* text :
       {"", "# only\n", "short\n", "with a space in it\n", "k\xC3\xA9y-0123456789abcd"}) {
    EXPECT_THROW(ApiKeys::FromText(text, "keys"), Error) << text;
  }
}

TEST_F(ServerTest, WhileLoadingAndDrainingItSaysSo) {
  loads_ = false;
  Serve({});
  EXPECT_EQ(StatusOf(Ask(Get("/health"))), 503);
  EXPECT_EQ(JsonOf(Ask(Post("/v1/chat/completions", ChatBody())))["error"]["code"], "loading");
  EXPECT_EQ(JsonOf(Ask(Post("/tokenize", R"({"prompt": "x"})")))["error"]["code"], "loading");
  TearDown();
  loads_ = true;
  Serve({.tokens = {"x"}, .waits = true});
  const Client client(server_->port());
  client.Send(Post("/v1/chat/completions", ChatBody()));
  service_->AwaitSubmitted(1);
  EXPECT_FALSE(api_->IsIdle());
  api_->Drain();
  EXPECT_TRUE(service_->drained());
  EXPECT_EQ(StatusOf(Ask(Get("/health"))), 503);
  EXPECT_EQ(StatusOf(Ask(Post("/v1/chat/completions", ChatBody()))), 503);
  service_->Answer(1);
  EXPECT_EQ(StatusOf(client.ReadAll()), 200);  // what has begun comes to its end
}

TEST_F(ServerTest, AClientThatLeavesCancelsItsRequests) {
  Serve({.waits = true});
  Client waiting(server_->port());
  waiting.Send(Post("/v1/chat/completions", ChatBody(R"(, "n": 2)")));
  service_->AwaitSubmitted(2);
  waiting.Close();
  service_->AwaitCancelled(2);
}

TEST_F(ServerTest, AClientThatDoesNotReadIsCut) {
  HttpLimits limits;
  limits.max_unread_bytes = 100'000;
  // More than the buffers of both sockets take.
  Serve({.tokens = std::vector<std::string>(2000, std::string(20'000, 'x')), .waits = true}, {},
        limits);
  const Client client(server_->port());
  client.Send(Post("/v1/chat/completions", ChatBody(R"(, "stream": true)")));
  service_->AwaitSubmitted(1);
  service_->Answer(1);
  service_->AwaitCancelled(1);
}

TEST_F(ServerTest, ConnectionsAreKeptAndRequestsMayBeSentTogether) {
  Serve({.tokens = {"x"}});
  const Client client(server_->port());
  const std::string get = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.Send(get);
  EXPECT_EQ(StatusOf(client.ReadUntil("\"ok\"}")), 200);
  client.Send(get + get + get);
  EXPECT_EQ(StatusOf(client.ReadUntil("\"ok\"}", 3)), 200);
  const std::string body = ChatBody();
  client.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n" +
      fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body) + get);
  EXPECT_EQ(StatusOf(client.ReadUntil("\"ok\"}")), 200);
}

TEST_F(ServerTest, ExpectedBodiesAreAskedFor) {
  Serve({.tokens = {"x"}});
  const Client client(server_->port());
  const std::string body = ChatBody();
  const std::string request = Post("/v1/chat/completions", body, "Expect: 100-continue\r\n");
  client.Send(request.substr(0, request.size() - body.size()));
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send(body);
  EXPECT_EQ(StatusOf(client.ReadAll()), 200);
}

TEST_F(ServerTest, SlowSendersAreCut) {
  HttpLimits limits;
  limits.head = limits.body = std::chrono::milliseconds(100);
  limits.idle = std::chrono::milliseconds(100);
  Serve({.tokens = {"x"}}, {}, limits);
  EXPECT_EQ(StatusOf(Ask("GET /health HTTP/1.1\r\nHost:")), 408);
  const std::string request = Post("/v1/chat/completions", ChatBody());
  EXPECT_EQ(StatusOf(Ask(request.substr(0, request.size() - 1))), 408);
  EXPECT_EQ(Ask(""), "");  // idle
}

TEST_F(ServerTest, TooManyConnectionsAreTurnedAway) {
  HttpLimits limits;
  limits.max_connections = 2;
  Serve({.tokens = {"x"}}, {}, limits);
  const Client first(server_->port());
  const Client second(server_->port());
  const std::string get = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  first.Send(get);
  second.Send(get);
  first.ReadUntil("\"ok\"}");
  second.ReadUntil("\"ok\"}");
  EXPECT_EQ(StatusOf(Ask(get)), 503);
}

TEST_F(ServerTest, BodiesOfAllClientsTogetherAreBounded) {
  HttpLimits limits;
  limits.max_bodies_bytes = 10'000;
  Serve({.tokens = {"x"}}, {}, limits);
  const std::string large = ChatBody(R"(, "user": ")" + std::string(20'000, 'x') + "\"");
  EXPECT_EQ(StatusOf(Ask(Post("/v1/chat/completions", large))), 503);
  EXPECT_EQ(StatusOf(Ask(Post("/v1/chat/completions", ChatBody()))), 200);  // given back
}

TEST_F(ServerTest, TokenizesThereAndBack) {
  Serve({});
  const Json tokens = JsonOf(Ask(Post("/tokenize", R"({"prompt": "Hello </s>", "model": "m"})")));
  EXPECT_EQ(tokens["count"], tokens["tokens"].size());
  EXPECT_EQ(tokens["max_model_len"], 4096);
  EXPECT_EQ(tokens["tokens"][0], SmallTokenizer().bos_id());
  Json back;
  back["tokens"] = tokens["tokens"];
  EXPECT_EQ(JsonOf(Ask(Post("/detokenize", back.dump())))["prompt"], "Hello </s>");
  EXPECT_EQ(StatusOf(Ask(Post("/detokenize", R"({"tokens": [99999999]})"))), 400);
  EXPECT_EQ(StatusOf(Ask(Post("/tokenize", R"({"prompt": 3})"))), 400);
}

TEST_F(ServerTest, MetricsAreInPrometheusForm) {
  Serve({.tokens = {"a", "b"}});
  Ask(Post("/v1/chat/completions", ChatBody()));
  Ask(Post("/v1/chat/completions", "{"));
  const std::string answer = Ask(Get("/metrics"));
  for (const char* line :
       {"\nixc_num_requests_waiting 3\n", "\nixc_kv_cache_usage_perc 0.25\n",
        "\nixc_requests_rejected_total{reason=\"invalid_json\"} 1\n",
        "\nixc_http_responses_total{route=\"/v1/chat/completions\",status=\"200\"} 1\n",
        "\nixc_time_to_first_token_seconds_count 1\n",
        "\nixc_time_per_output_token_seconds_bucket{le=\"+Inf\"} 1\n",
        "\n# TYPE ixc_time_to_first_token_seconds histogram\n"}) {
    EXPECT_PRED2(Contains, answer, line);
  }
}

TEST_F(ServerTest, ThePageRunsItsOwnScriptsOnly) {
  Serve({});
  const std::string answer = Ask(Get("/"));
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_PRED2(Contains, answer,
               "Content-Security-Policy: default-src 'none'; script-src 'sha256-");
  for (const char* outside : {"src=\"http", "href=\"http", "src=\"//", "url(http", "@import"}) {
    EXPECT_EQ(answer.find(outside), answer.npos) << outside;
  }
}

}  // namespace
}  // namespace ixc
