// The service on the small models that ship with the source: every answer must be that of the
// request alone, and every request must end exactly once.
#include "ixc/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "engine/batch_engine.h"

namespace ixc {
namespace {

std::string ModelDir(const std::string& name) {
  return std::string(IXC_SOURCE_DIR) + "/models/" + name;
}

EngineOptions OptionsOf(const std::string& model, int threads = 2, const std::string& scheme = "") {
  EngineOptions options;
  options.model_dir = ModelDir(model);
  options.num_threads = threads;
  options.scheme = scheme;
  options.group = 32;
  return options;
}

std::unique_ptr<BatchEngine> MakeEngine(const EngineOptions& options, BatchOptions batch = {}) {
  return std::make_unique<BatchEngine>(Pipeline::Load(options), batch);
}

// What came of a request.
struct Outcome {
  std::string text;
  std::vector<TokenEvent> events;
  ServiceResult result;
  int finished = 0;

  std::vector<int32_t> ids() const {
    std::vector<int32_t> ids;
    for (const TokenEvent& event : events) ids.push_back(event.id);
    return ids;
  }
};

// Collects outcomes and waits for them.
class Collector {
 public:
  ServiceSink NewSink() {
    std::lock_guard lock(mutex_);
    const size_t index = outcomes_.size();
    outcomes_.emplace_back();
    ServiceSink sink;
    sink.on_token = [this, index](const TokenEvent& event) {
      std::lock_guard inner(mutex_);
      outcomes_[index].events.push_back(event);
      outcomes_[index].text += event.text;
      changed_.notify_all();
    };
    sink.on_finish = [this, index](const ServiceResult& result) {
      std::lock_guard inner(mutex_);
      outcomes_[index].result = result;
      ++outcomes_[index].finished;
      changed_.notify_all();
    };
    return sink;
  }

  void AwaitTokens(size_t index, size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return outcomes_[index].events.size() >= count || outcomes_[index].finished > 0;
    });
  }

  std::vector<Outcome> AwaitAll() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      for (const Outcome& outcome : outcomes_) {
        if (outcome.finished == 0) return false;
      }
      return true;
    });
    return outcomes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Outcome> outcomes_;
};

std::vector<Outcome> RunAll(Service& service, const std::vector<ServiceRequest>& requests) {
  Collector collector;
  for (const ServiceRequest& request : requests) service.Submit(request, collector.NewSink());
  return collector.AwaitAll();
}

Image Picture(const std::string& model, int number) {
  const std::string name = model == "tiny-vl" ? "shapes_" : "document_";
  return LoadImage(ModelDir(model) + "/examples/" + name + std::to_string(number) + ".png");
}

ServiceRequest Ask(const std::string& query, int max_new_tokens = 16) {
  ServiceRequest service;
  service.request.query = query;
  service.request.generation.max_new_tokens = max_new_tokens;
  return service;
}

// Requests of different lengths, with and without pictures, greedy and drawn.
std::vector<ServiceRequest> MixedRequests(const std::string& model) {
  std::vector<ServiceRequest> requests;
  const int hd_nums[] = {4, 9, 1, 6};
  for (int i = 0; i < 8; ++i) {
    std::string query = "Describe this image.";
    for (int word = 0; word < 9 * i; ++word) query += " again";
    ServiceRequest& service = requests.emplace_back(Ask(query, 6 + 3 * i));
    Request& request = service.request;
    if (i % 2 == 0) {
      request.images.push_back(Picture(model, 1 + i / 2));
      request.hd_num = {hd_nums[i / 2]};
    }
    if (i == 4) {
      request.images.push_back(Picture(model, 4));
      request.hd_num = {2, 5};
    }
    if (i % 3 == 1) {
      request.generation.sample = true;
      request.generation.temperature = 1.5f;
      request.generation.seed = static_cast<uint64_t>(i);
    }
    service.top_logprobs = 1000;  // the whole vocabulary: all logits count
  }
  return requests;
}

void ExpectSameBits(const Outcome& got, const Outcome& wanted) {
  ASSERT_FALSE(got.result.error) << got.result.error->message;
  EXPECT_EQ(got.ids(), wanted.ids());
  EXPECT_EQ(got.text, wanted.text);
  ASSERT_EQ(got.events.size(), wanted.events.size());
  for (size_t i = 0; i < got.events.size(); ++i) {
    const auto &left = got.events[i].best, &right = wanted.events[i].best;
    ASSERT_EQ(left.size(), right.size());
    for (size_t k = 0; k < left.size(); ++k) {
      ASSERT_EQ(left[k].id, right[k].id) << "token " << i;
      ASSERT_EQ(std::bit_cast<uint32_t>(left[k].logprob), std::bit_cast<uint32_t>(right[k].logprob))
          << "token " << i;
    }
  }
}

class ThreadedBatchEngine : public ::testing::TestWithParam<const char*> {};

TEST_P(ThreadedBatchEngine, AnswersAsTheEngineDoes) {
  Engine engine = Engine::Load(OptionsOf(GetParam()));
  const auto service = MakeEngine(OptionsOf(GetParam()), {.limits = {.chunk_rows = 40}});
  const std::vector<ServiceRequest> requests = MixedRequests(GetParam());
  const std::vector<Outcome> outcomes = RunAll(*service, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const Result wanted = engine.Generate(requests[i].request);
    EXPECT_EQ(outcomes[i].ids(), wanted.token_ids) << i;
    EXPECT_EQ(outcomes[i].text, wanted.text) << i;
    EXPECT_EQ(outcomes[i].finished, 1);
    const ServiceResult& result = outcomes[i].result;
    EXPECT_EQ(result.finish_reason, wanted.finish_reason);
    EXPECT_EQ(result.prompt_tokens, wanted.prompt_tokens);
    EXPECT_EQ(result.image_tokens, wanted.image_tokens);
    EXPECT_EQ(result.generated_tokens, static_cast<int64_t>(wanted.token_ids.size()));
  }
}

TEST_P(ThreadedBatchEngine, WhoSharesTheStepsChangesNoBit) {
  const std::vector<ServiceRequest> requests = MixedRequests(GetParam());
  for (const char* scheme : {"", "w8a8d", "w4"}) {
    std::vector<Outcome> alone;
    for (int threads : {1, 2, 3}) {
      const auto service =
          MakeEngine(OptionsOf(GetParam(), threads, scheme), {.limits = {.chunk_rows = 33}});
      if (alone.empty()) {
        for (const ServiceRequest& request : requests) {
          alone.push_back(RunAll(*service, {request})[0]);
        }
      }
      const std::vector<Outcome> together = RunAll(*service, requests);
      for (size_t i = 0; i < requests.size(); ++i) {
        SCOPED_TRACE(std::string(scheme) + ", request " + std::to_string(i));
        ExpectSameBits(together[i], alone[i]);
      }
    }
  }
}

TEST_P(ThreadedBatchEngine, CancelEndsOneRequestAndNotTheOthers) {
  const auto service = MakeEngine(OptionsOf(GetParam()));
  Collector collector;
  // Tokens that may not come keep the answer going.
  ServiceRequest endless = Ask("Tell me a story.", 2000);
  for (int32_t id : service->pipeline().stop_ids()) endless.logit_bias[id] = -1e9f;
  const uint64_t number = service->Submit(endless, collector.NewSink());
  service->Submit(Ask("Hello.", 12), collector.NewSink());
  collector.AwaitTokens(0, 3);
  service->Cancel(number);
  service->Cancel(number);
  service->Cancel(12345);
  const std::vector<Outcome> outcomes = collector.AwaitAll();
  EXPECT_EQ(outcomes[0].result.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(outcomes[0].finished, 1);
  EXPECT_LT(outcomes[0].events.size(), 2000u);
  EXPECT_NE(outcomes[1].result.finish_reason, FinishReason::kCancelled);
  while (!service->IsIdle()) std::this_thread::yield();
  EXPECT_EQ(service->Stats().cancelled, 1);
  EXPECT_EQ(service->Stats().finished, 1);
}

TEST_P(ThreadedBatchEngine, TheDestructorEndsEveryRequest) {
  Collector collector;
  {
    const auto service = MakeEngine(OptionsOf(GetParam()), {.limits = {.max_running = 2}});
    for (int i = 0; i < 5; ++i) service->Submit(Ask("Hello.", 3000), collector.NewSink());
    collector.AwaitTokens(0, 2);
  }
  for (const Outcome& outcome : collector.AwaitAll()) EXPECT_EQ(outcome.finished, 1);
}

ServiceErrorKind KindOf(const Outcome& outcome) {
  return outcome.result.error ? outcome.result.error->kind : ServiceErrorKind::kInternal;
}

TEST(BatchEngine, RefusesWhatItCannotAnswer) {
  const auto service = MakeEngine(OptionsOf("tiny-vl"));
  ServiceRequest beams = Ask("Hello."), bias = Ask("Hello."), stop = Ask("Hello.");
  beams.request.generation.num_beams = 2;
  bias.logit_bias[1 << 20] = 1;
  stop.stop = {""};
  ServiceRequest cold = Ask("Hello.");
  cold.request.generation.sample = true;
  cold.request.generation.temperature = 0;
  for (const Outcome& outcome : RunAll(*service, {beams, bias, stop, cold})) {
    EXPECT_EQ(KindOf(outcome), ServiceErrorKind::kBadRequest);
    EXPECT_EQ(outcome.finished, 1);
  }
  std::string book;
  for (int i = 0; i < 6000; ++i) book += " word";
  const auto outcomes = RunAll(*service, {Ask(book), Ask("Hello.", 4090)});
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(KindOf(outcome), ServiceErrorKind::kContextLength);
  }
  EXPECT_NE(outcomes[1].result.error->message.find("4096"), std::string::npos);
}

TEST(BatchEngine, AFullQueueRefusesAndADrainedEngineToo) {
  const auto service =
      MakeEngine(OptionsOf("tiny-vl"), {.limits = {.max_running = 1, .max_waiting = 1}});
  Collector collector;
  ServiceRequest endless = Ask("Tell me a story.", 3000);
  for (int32_t id : service->pipeline().stop_ids()) endless.logit_bias[id] = -1e9f;
  const uint64_t first = service->Submit(endless, collector.NewSink());
  collector.AwaitTokens(0, 1);
  service->Submit(Ask("Waits.", 3), collector.NewSink());
  service->Submit(Ask("Is too many.", 3), collector.NewSink());
  service->Drain();
  service->Submit(Ask("Is too late.", 3), collector.NewSink());
  EXPECT_FALSE(service->IsIdle());
  service->Cancel(first);
  const std::vector<Outcome> outcomes = collector.AwaitAll();
  EXPECT_FALSE(outcomes[1].result.error);
  EXPECT_EQ(KindOf(outcomes[2]), ServiceErrorKind::kQueueFull);
  EXPECT_EQ(KindOf(outcomes[3]), ServiceErrorKind::kDraining);
}

TEST(BatchEngine, StopTextsEndTheAnswerBeforeThem) {
  const auto service = MakeEngine(OptionsOf("tiny-vl"));
  ServiceRequest request = Ask("Describe this image.", 40);
  request.request.images.push_back(Picture("tiny-vl", 1));
  const Outcome whole = RunAll(*service, {request})[0];
  ASSERT_GT(whole.text.size(), 12u);
  const std::string stop = whole.text.substr(5, 6);
  request.stop = {"never there", stop};
  const Outcome cut = RunAll(*service, {request})[0];
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_EQ(cut.result.finish_reason, FinishReason::kStop);
  EXPECT_LT(cut.events.size(), whole.events.size());
}

TEST(BatchEngine, PlainTextHasNoTurns) {
  const auto service = MakeEngine(OptionsOf("tiny-vl"));
  ServiceRequest request = Ask("one two three", 4);
  request.plain_text = true;
  const Outcome outcome = RunAll(*service, {request})[0];
  ASSERT_FALSE(outcome.result.error);
  EXPECT_EQ(
      outcome.result.prompt_tokens,
      static_cast<int64_t>(service->pipeline().tokenizer().EncodeWithBos("one two three").size()));
}

void ExpectNothingHeld(const Service& service) {
  while (!service.IsIdle()) std::this_thread::yield();
  const ServiceStats stats = service.Stats();
  EXPECT_EQ(stats.kv_blocks_used, stats.kv_blocks_cached);
  EXPECT_EQ(stats.waiting + stats.running, 0);
}

// Positions in which two prompts begin alike.
int64_t CommonTokens(const BatchEngine& service, const ServiceRequest& one,
                     const ServiceRequest& two) {
  const auto keys = [&](const Request& request) {
    const Pipeline& pipeline = service.pipeline();
    return pipeline.KeysOf(request, pipeline.LayOut(pipeline.BuildPrompt(request),
                                                    pipeline.CountImageTokens(request)));
  };
  return CommonPrefix(keys(one.request), keys(two.request));
}

TEST_P(ThreadedBatchEngine, WhatWasReadBeforeIsNotReadAgain) {
  const auto service = MakeEngine(OptionsOf(GetParam()));
  std::vector<ServiceRequest> requests = MixedRequests(GetParam());
  const std::vector<Outcome> first = RunAll(*service, requests);
  const double tower_seconds = service->Stats().tower_seconds;
  const std::vector<Outcome> again = RunAll(*service, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectSameBits(again[i], first[i]);
    EXPECT_EQ(again[i].result.cached_tokens, again[i].result.prompt_tokens - 1);
  }
  // Another question about the same picture pays what differs, the next turn finds the answer, too,
  // and another name space finds nothing.
  ServiceRequest second = requests[0];
  second.request.query = "What is there?";
  const Outcome asked = RunAll(*service, {second})[0];
  ExpectSameBits(asked, RunAll(*MakeEngine(OptionsOf(GetParam())), {second})[0]);
  EXPECT_EQ(asked.result.cached_tokens, CommonTokens(*service, requests[0], second));
  ServiceRequest next = requests[0];
  next.request.history = {{"<ImageHere>" + next.request.query, first[0].text}};
  next.request.query = "And now?";
  const Outcome turn = RunAll(*service, {next})[0];
  EXPECT_GE(turn.result.cached_tokens, first[0].result.prompt_tokens);
  EXPECT_LE(service->Stats().tower_seconds, tower_seconds) << "no picture is looked at again";
  requests[0].cache_space = "other";
  const Outcome other = RunAll(*service, {requests[0]})[0];
  ExpectSameBits(other, first[0]);
  EXPECT_EQ(other.result.cached_tokens, 0);
  EXPECT_GT(service->Stats().tower_seconds, tower_seconds);
  ExpectNothingHeld(*service);
}

TEST_P(ThreadedBatchEngine, TheSamePromptAtTheSameTimeIsReadOnce) {
  const auto service = MakeEngine(OptionsOf(GetParam()), {.limits = {.chunk_rows = 64}});
  ServiceRequest request = MixedRequests(GetParam())[6];
  const Outcome alone = RunAll(*service, {request})[0];
  request.cache_space = "fresh";
  const std::vector<Outcome> outcomes = RunAll(*service, {request, request, request, request});
  int64_t read = 0;
  for (const Outcome& outcome : outcomes) {
    ExpectSameBits(outcome, alone);
    read += outcome.result.prompt_tokens - outcome.result.cached_tokens;
  }
  // Everyone reads what follows the last full block, and the rest is read by one of them.
  const int64_t tokens = alone.result.prompt_tokens;
  const int64_t rest = tokens - (tokens - 1) / kKeyBlock * kKeyBlock;
  EXPECT_EQ(read, tokens - rest + 4 * rest);
  // Afterwards only the last position, whose output is wanted.
  EXPECT_EQ(RunAll(*service, {request})[0].result.cached_tokens, tokens - 1);
  ExpectNothingHeld(*service);
}

// With room for hardly more than one request, everything is forgotten all the time and the others
// have to wait.
TEST_P(ThreadedBatchEngine, FewBlocksMakeOthersWaitAndChangeNoBit) {
  const std::vector<ServiceRequest> requests = MixedRequests(GetParam());
  const std::vector<Outcome> wanted = RunAll(*MakeEngine(OptionsOf(GetParam())), requests);
  int64_t longest = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    longest = std::max(
        longest, wanted[i].result.prompt_tokens + requests[i].request.generation.max_new_tokens);
  }
  auto pipeline = Pipeline::Load(OptionsOf(GetParam()));
  const int64_t blocks = (longest + kKeyBlock - 1) / kKeyBlock + 1;
  BatchOptions options;
  options.kv_bytes = blocks * static_cast<int64_t>(pipeline->BlockBytes());
  options.picture_cache_bytes = 1 << 14;
  options.limits.chunk_rows = 50;
  BatchEngine service(std::move(pipeline), options);
  EXPECT_EQ(service.max_context(), blocks * kKeyBlock);
  EXPECT_EQ(service.Stats().kv_blocks_total, blocks);
  for (int round = 0; round < 2; ++round) {
    const std::vector<Outcome> outcomes = RunAll(service, requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      SCOPED_TRACE(i);
      ExpectSameBits(outcomes[i], wanted[i]);
    }
  }
  ExpectNothingHeld(service);
}

// Whatever is being read, a stream gets its token in every step.
TEST_P(ThreadedBatchEngine, StreamsGoOnWhileAPictureIsRead) {
  const auto service = MakeEngine(OptionsOf(GetParam()), {.limits = {.chunk_rows = 16}});
  Collector collector;
  ServiceRequest endless = Ask("Tell me a story.", 3000);
  for (int32_t id : service->pipeline().stop_ids()) endless.logit_bias[id] = -1e9f;
  const uint64_t number = service->Submit(endless, collector.NewSink());
  collector.AwaitTokens(0, 1);
  ServiceRequest picture = Ask("What is this?", 1);
  picture.request.images.push_back(Picture(GetParam(), 1));
  picture.request.hd_num = {25};
  service->Submit(picture, collector.NewSink());
  collector.AwaitTokens(1, 1);
  service->Cancel(number);
  const std::vector<Outcome> outcomes = collector.AwaitAll();
  // The stream decodes in every step but that of its own prompt's last chunk, which chooses, too.
  while (!service->IsIdle()) std::this_thread::yield();
  const int64_t own_chunks = (outcomes[0].result.prompt_tokens + 15) / 16;
  const auto tokens = static_cast<int64_t>(outcomes[0].events.size());
  const int64_t picture_chunks = (outcomes[1].result.prompt_tokens + 15) / 16;
  EXPECT_GT(tokens, picture_chunks);
  // One step more for what begins behind the cancellation and for the picture's own.
  EXPECT_LE(service->Stats().steps, own_chunks + 1 + tokens);
}

// Submitted, cancelled and looked at from many threads.
TEST_P(ThreadedBatchEngine, EveryRequestOfManyThreadsEndsOnce) {
  const auto service = MakeEngine(
      OptionsOf(GetParam()), {.limits = {.max_running = 3, .max_waiting = 4, .chunk_rows = 32}});
  Collector collector;
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      std::minstd_rand random(static_cast<unsigned>(client + 1));
      for (int i = 0; i < 12; ++i) {
        ServiceRequest request = Ask(i % 2 == 0 ? "Hello." : "Tell me more.", 6);
        if (random() % 4 == 0) request.request.images.push_back(Picture(GetParam(), 1));
        request.request.hd_num = {4};
        const uint64_t number = service->Submit(request, collector.NewSink());
        if (random() % 3 == 0) service->Cancel(number);
        if (service->Stats().waiting > 2) std::this_thread::yield();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  int64_t ended = 0;
  for (const Outcome& outcome : collector.AwaitAll()) {
    EXPECT_EQ(outcome.finished, 1);
    if (outcome.result.error) {
      EXPECT_EQ(outcome.result.error->kind, ServiceErrorKind::kQueueFull);
    }
    ++ended;
  }
  EXPECT_EQ(ended, 48);
  ExpectNothingHeld(*service);
  const ServiceStats stats = service->Stats();
  EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, 48);
}

// A sink may cancel and submit.
TEST(BatchEngine, SinksMayCallTheService) {
  const auto service = MakeEngine(OptionsOf("tiny-vl"));
  Collector collector;
  ServiceSink second = collector.NewSink();
  ServiceSink first = collector.NewSink();
  std::atomic<uint64_t> number = 0;
  const auto on_finish = first.on_finish;
  first.on_token = [&](const TokenEvent&) { service->Cancel(number); };
  first.on_finish = [&](const ServiceResult& result) {
    service->Submit(Ask("Hello.", 3), second);
    on_finish(result);
  };
  ServiceRequest endless = Ask("Tell me a story.", 3000);
  for (int32_t id : service->pipeline().stop_ids()) endless.logit_bias[id] = -1e9f;
  number = service->Submit(endless, first);
  const std::vector<Outcome> outcomes = collector.AwaitAll();
  EXPECT_EQ(outcomes[1].result.finish_reason, FinishReason::kCancelled);
  EXPECT_FALSE(outcomes[0].result.error);
}

INSTANTIATE_TEST_SUITE_P(Models, ThreadedBatchEngine, ::testing::Values("tiny-vl", "tiny-4khd"),
                         [](const auto& model) {
                           return std::string(model.param) == "tiny-vl" ? "Vl" : "Hd";
                         });

// Allows one token only.
class OnlyToken : public TokenConstraint {
 public:
  explicit OnlyToken(int32_t id) : id_(id) {}
  void Mask(std::span<float> logits) const override {
    for (size_t i = 0; i < logits.size(); ++i) {
      if (i != static_cast<size_t>(id_)) logits[i] = -std::numeric_limits<float>::infinity();
    }
  }
  void Accept(int32_t id) override {
    EXPECT_EQ(id, id_);
    ++accepted;
  }
  int accepted = 0;

 private:
  int32_t id_;
};

TEST(BatchEngine, AConstraintDecidesAndProbabilitiesAreRaw) {
  const auto service = MakeEngine(OptionsOf("tiny-vl"));
  const auto constraint = std::make_shared<OnlyToken>(300);
  ServiceRequest request = Ask("Hello.", 5);
  request.constraint = constraint;
  request.top_logprobs = 2;
  const Outcome outcome = RunAll(*service, {request})[0];
  EXPECT_EQ(outcome.ids(), std::vector<int32_t>(5, 300));
  EXPECT_EQ(constraint->accepted, 5);
  EXPECT_EQ(outcome.result.finish_reason, FinishReason::kLength);
  for (const TokenEvent& event : outcome.events) {
    EXPECT_EQ(event.chosen->id, 300);
    ASSERT_EQ(event.best.size(), 2u);
    EXPECT_LT(event.chosen->logprob, event.best[0].logprob);
    EXPECT_LE(event.best[0].logprob, 0);
  }
}

}  // namespace
}  // namespace ixc
