#include "engine/batch_engine.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "engine/batch_job.h"
#include "engine/batch_memory.h"
#include "formats/model_kind.h"

namespace ixc {

namespace {

int64_t ModelContext(const Pipeline& pipeline) {
  return MaxPromptTokens(pipeline.model().kind(), pipeline.model().config());
}

// What the options allow, within `left` bytes.
MemoryLimits LimitsOf(const Pipeline& pipeline, const BatchOptions& options, int64_t context) {
  const auto block_bytes = static_cast<int64_t>(pipeline.BlockBytes());
  const auto left = static_cast<int64_t>(
      std::min(pipeline.memory().Left(), static_cast<uint64_t>(BatchOptions::kNoLimit)));
  MemoryLimits limits;
  if (options.kv_bytes > 0) {
    limits.max_blocks = options.kv_bytes / block_bytes;
  } else {
    constexpr int64_t kUsualBytes = int64_t{2} << 30;
    const int64_t least = NumKeyBlocks(context);
    limits.max_blocks = std::clamp(kUsualBytes / block_bytes, least,
                                   least * std::max<int64_t>(1, 2 * options.limits.max_running));
  }
  limits.max_blocks = std::min(limits.max_blocks, left / 2 / block_bytes);
  limits.picture_cache_bytes = static_cast<size_t>(std::min(options.picture_cache_bytes, left / 8));
  limits.keep_prefixes = options.keep_prefixes;
  return limits;
}

// How long a piece of a picture takes: this long, or, beside streams, as long as so many of their
// steps, so that none of them waits much and the picture still gets most of the time.
constexpr double kPieceSeconds = 0.5;
constexpr double kPieceSteps = 2;

}  // namespace

// What the submitting threads and the engine thread share is behind `mutex_`; the rest, and every
// job once it is in `jobs_`, belongs to the engine thread. Nothing of a user's is called under the
// mutex.
class BatchEngine::Impl {
 public:
  Impl(std::unique_ptr<Pipeline> pipeline, const BatchOptions& options)
      : pipeline_(std::move(pipeline)),
        wanted_context_(options.max_context > 0 ? options.max_context : ModelContext(*pipeline_)),
        memory_(*pipeline_, LimitsOf(*pipeline_, options, wanted_context_)),
        max_context_(std::min(wanted_context_, memory_.pool().max_blocks() * kKeyBlock)),
        scheduler_(options.limits) {
    CountMemory();
    thread_ = std::thread([this] { Loop(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  const Pipeline& pipeline() const { return *pipeline_; }
  int64_t max_context() const { return max_context_; }

  uint64_t Submit(ServiceRequest request, ServiceSink sink) {
    auto job = std::make_unique<BatchJob>();
    job->submitted = Clock::now();
    job->request = std::move(request);
    job->sink = std::move(sink);
    std::optional<ServiceError> error;
    uint64_t number = 0;
    {
      std::lock_guard lock(mutex_);
      number = job->number = ++last_number_;
      error = Refusal();  // before any work
    }
    if (!error) error = PrepareJob(*pipeline_, max_context_, *job);
    {
      std::lock_guard lock(mutex_);
      if (!error) error = Refusal();
      if (!error) Enqueue(std::move(job));
      if (error) ++stats_.failed;
    }
    if (error) {
      job->result.error = error;
      job->result.total_seconds = SecondsSince(job->submitted);
      if (job->sink.on_finish) job->sink.on_finish(job->result);
    } else {
      wake_.notify_one();
    }
    return number;
  }

  void Cancel(uint64_t number) {
    {
      std::lock_guard lock(mutex_);
      if (jobs_.count(number) == 0) return;
      cancelled_.insert(number);
    }
    wake_.notify_one();
  }

  void Drain() {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }

  bool IsIdle() const {
    std::lock_guard lock(mutex_);
    return unfinished_ == 0;
  }

  ServiceStats Stats() const {
    std::lock_guard lock(mutex_);
    ServiceStats stats = stats_;
    stats.waiting = scheduler_.num_waiting();
    stats.running = scheduler_.num_running();
    return stats;
  }

 private:
  // The next two are called under the mutex.
  std::optional<ServiceError> Refusal() const {
    if (draining_ || stopping_) {
      return ServiceError{ServiceErrorKind::kDraining, "no new requests are taken any more"};
    }
    if (scheduler_.is_full()) {
      return ServiceError{ServiceErrorKind::kQueueFull, "too many requests wait; try again later"};
    }
    return std::nullopt;
  }
  void Enqueue(std::unique_ptr<BatchJob> job) {
    scheduler_.Add(job->number);
    ++unfinished_;
    jobs_[job->number] = std::move(job);
  }

  void Loop() {
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || !cancelled_.empty() || !scheduler_.is_idle(); });
        if (stopping_) break;
      }
      try {
        Step();
      } catch (const std::exception& error) {
        for (BatchJob* job : AllJobs()) Fail(*job, error);
      }
    }
    for (BatchJob* job : AllJobs()) Finish(*job, FinishReason::kCancelled);
  }

  std::vector<BatchJob*> AllJobs() const {
    std::lock_guard lock(mutex_);
    std::vector<BatchJob*> all;
    for (const auto& [number, job] : jobs_) all.push_back(job.get());
    return all;
  }

  void Step() {
    CancelJobs();
    Admit();
    StepPlan plan;
    std::vector<BatchJob*> decoding;
    BatchJob* other = nullptr;
    {
      std::lock_guard lock(mutex_);
      plan = scheduler_.Plan();
      for (uint64_t number : plan.decoding) decoding.push_back(jobs_.at(number).get());
      if (plan.piece != StepPlan::Piece::kNone) other = jobs_.at(plan.number).get();
      if (!plan.empty()) ++stats_.steps;
    }
    if (plan.piece == StepPlan::Piece::kPicture) {
      EncodePicture(*other, decoding.empty() ? kPieceSeconds : kPieceSteps * step_seconds_);
    }
    const bool reads = plan.piece == StepPlan::Piece::kPrompt;
    if (reads) plan.rows = RowsToRead(*other, plan.rows);
    const auto begin = Clock::now();
    RunRows(decoding, reads ? other : nullptr, plan.rows);
    if (!decoding.empty() && !reads) step_seconds_ = SecondsSince(begin);
    std::lock_guard lock(mutex_);
    CountMemory();
  }

  // Takes over what others have read of the prompt since the last chunk; returns how many of at
  // most `rows` are to be read now. A chunk that does not reach the end of the prompt ends with a
  // block, for others to take over.
  int64_t RowsToRead(BatchJob& job, int64_t rows) {
    const int64_t found = memory_.Extend(job);
    if (found > 0) {
      job.result.cached_tokens += found;
      std::lock_guard lock(mutex_);
      scheduler_.FinishRows(job.number, found);
      stats_.cached_tokens += found;
    }
    const int64_t begin = job.sequence->length();
    if (begin + rows >= job.result.prompt_tokens) return job.result.prompt_tokens - begin;
    const int64_t rest = (begin + rows) % kKeyBlock;
    return rest < rows ? rows - rest : rows;
  }

  // Under the mutex.
  void CountMemory() {
    const BlockPool& pool = memory_.pool();
    stats_.kv_blocks_total = pool.max_blocks();
    stats_.kv_blocks_used = pool.num_used();
    stats_.kv_blocks_cached = pool.num_idle();
    stats_.picture_cache_bytes = static_cast<int64_t>(memory_.picture_bytes());
  }

  void CancelJobs() {
    std::vector<BatchJob*> jobs;
    {
      std::lock_guard lock(mutex_);
      for (uint64_t number : std::exchange(cancelled_, {})) {
        const auto found = jobs_.find(number);
        if (found != jobs_.end()) jobs.push_back(found->second.get());
      }
    }
    for (BatchJob* job : jobs) Finish(*job, FinishReason::kCancelled);
  }

  void Admit() {
    std::lock_guard lock(mutex_);
    const auto fits = [&](uint64_t number) { return memory_.Admit(*jobs_.at(number)); };
    for (uint64_t number : scheduler_.Admit(fits)) {
      BatchJob& job = *jobs_.at(number);
      job.result.queue_seconds = SecondsSince(job.submitted);
      if (job.OpenPicture() == nullptr) StartPrompt(job);
      stats_.prompt_tokens += job.result.prompt_tokens;
      stats_.cached_tokens += job.result.cached_tokens;
    }
  }

  // Under the mutex.
  void StartPrompt(BatchJob& job) {
    scheduler_.StartPrompt(job.number, job.result.prompt_tokens - job.sequence->length());
  }

  void EncodePicture(BatchJob& job, double seconds) {
    const auto begin = Clock::now();
    // Another request that waits for the same picture may have done the rest.
    if (PictureEncoding* picture = job.OpenPicture()) {
      try {
        picture->Advance(*pipeline_, seconds);
        if (picture->is_done()) memory_.Keep(job, *picture);
      } catch (const std::exception& error) {
        return Fail(job, error);
      }
    }
    std::lock_guard lock(mutex_);
    stats_.tower_seconds += SecondsSince(begin);
    if (job.OpenPicture() == nullptr) StartPrompt(job);
  }

  // One row of every job that decodes, and `rows` rows of the prompt of `reading`, which may be
  // null.
  void RunRows(const std::vector<BatchJob*>& decoding, BatchJob* reading, int64_t rows) {
    std::vector<BatchJob*> all = decoding;
    if (reading != nullptr) all.push_back(reading);
    if (all.empty()) return;
    std::vector<BatchJob*> chosen;
    try {
      chosen = Forward(decoding, reading, rows);
    } catch (const std::exception& error) {
      // What the sequences hold by now is not known.
      for (BatchJob* job : all) Fail(*job, error);
      return;
    }
    for (BatchJob* job : all) memory_.Share(*job);
    if (reading != nullptr) {
      std::lock_guard lock(mutex_);
      scheduler_.FinishRows(reading->number, rows);
    }
    for (BatchJob* job : chosen) Tell(*job);
  }

  // Runs the rows; returns the jobs that chose a token from them.
  std::vector<BatchJob*> Forward(const std::vector<BatchJob*>& decoding, BatchJob* reading,
                                 int64_t rows) {
    const auto num_decoding = static_cast<int64_t>(decoding.size());
    Matrix hidden(rows + num_decoding, pipeline_->model().config().hidden_size);
    std::vector<Pipeline::BatchRows> batch;
    std::vector<RowRange> image_rows;
    bool reads_to_end = false;
    if (reading != nullptr) {
      const AssembledPrompt& prompt = reading->assembled;
      const int64_t first = reading->sequence->length();
      reads_to_end = first + rows == prompt.num_tokens();
      pipeline_->EmbedRows(reading->prompt, prompt, reading->PictureEmbeds(), first,
                           hidden.View().Rows(0, rows));
      image_rows = ImageRowsOf(prompt, first, rows);
      batch.push_back({&*reading->sequence, rows, prompt.num_tokens()});
    }
    std::vector<int32_t> ids;
    for (BatchJob* job : decoding) {
      ids.push_back(job->answer->ids().back());
      batch.push_back({&*job->sequence, 1, job->sequence->length() + 1});
    }
    pipeline_->model().EmbedTokens(ids, hidden.View().Rows(rows, num_decoding));
    pipeline_->Forward(hidden, batch, image_rows);

    // The last row of a prompt that ends here lies just before the decoding rows.
    std::vector<BatchJob*> chosen;
    if (reads_to_end) chosen.push_back(reading);
    chosen.insert(chosen.end(), decoding.begin(), decoding.end());
    if (!chosen.empty()) {
      const auto count = static_cast<int64_t>(chosen.size());
      Choose(chosen, pipeline_->Logits(hidden.View().Rows(hidden.rows() - count, count)));
    }
    return chosen;
  }

  // Sorting a vocabulary takes its time: one job a thread.
  void Choose(const std::vector<BatchJob*>& jobs, const Matrix& logits) const {
    const auto count = static_cast<int64_t>(jobs.size());
    pipeline_->compute().pool->ParallelFor(count, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        jobs[static_cast<size_t>(i)]->answer->Choose(
            {logits.Row(i), static_cast<size_t>(logits.cols())});
      }
    });
  }

  void Tell(BatchJob& job) {
    TokenEvent event;
    try {
      event = job.answer->Tell();
    } catch (const std::exception& error) {
      return Fail(job, error);
    }
    if (job.answer->ids().size() == 1) {
      job.result.first_token_seconds = SecondsSince(job.submitted);
    }
    job.keys.push_back({{}, event.id});
    if (job.sink.on_token) job.sink.on_token(event);
    {
      std::lock_guard lock(mutex_);
      ++stats_.generated_tokens;
    }
    if (job.answer->is_over()) Finish(job, job.answer->finish_reason());
  }

  void Fail(BatchJob& job, const std::exception& error) {
    job.result.error = ServiceError{ServiceErrorKind::kInternal, error.what()};
    Finish(job, FinishReason::kCancelled);
  }

  // Ends the job and forgets it.
  void Finish(BatchJob& finished, FinishReason reason) {
    std::unique_ptr<BatchJob> job;
    memory_.Release(finished);
    {
      std::lock_guard lock(mutex_);
      CountMemory();
      scheduler_.Remove(finished.number);
      job = std::move(jobs_.extract(finished.number).mapped());
      auto& counter = job->result.error                    ? stats_.failed
                      : reason == FinishReason::kCancelled ? stats_.cancelled
                                                           : stats_.finished;
      ++counter;
    }
    job->result.finish_reason = reason;
    job->result.generated_tokens = static_cast<int64_t>(job->answer->ids().size());
    job->result.total_seconds = SecondsSince(job->submitted);
    if (job->sink.on_finish) job->sink.on_finish(job->result);
    job.reset();  // with what its sink holds, before anybody may think that all is over
    std::lock_guard lock(mutex_);
    --unfinished_;
  }

  const std::unique_ptr<Pipeline> pipeline_;
  const int64_t wanted_context_;
  BatchMemory memory_;  // of the engine thread
  const int64_t max_context_;
  double step_seconds_ = 0;  // of the last step that only decoded; of the engine thread

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Scheduler scheduler_;
  std::map<uint64_t, std::unique_ptr<BatchJob>> jobs_;
  std::set<uint64_t> cancelled_;
  ServiceStats stats_;
  uint64_t last_number_ = 0;
  int64_t unfinished_ = 0;  // submitted, and on_finish has not returned
  bool draining_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

BatchEngine::BatchEngine(std::unique_ptr<Pipeline> pipeline, const BatchOptions& options)
    : impl_(std::make_unique<Impl>(std::move(pipeline), options)) {}

BatchEngine::~BatchEngine() = default;

const Pipeline& BatchEngine::pipeline() const { return impl_->pipeline(); }
int64_t BatchEngine::max_context() const { return impl_->max_context(); }

uint64_t BatchEngine::Submit(ServiceRequest request, ServiceSink sink) {
  return impl_->Submit(std::move(request), std::move(sink));
}
void BatchEngine::Cancel(uint64_t number) { impl_->Cancel(number); }
void BatchEngine::Drain() { impl_->Drain(); }
bool BatchEngine::IsIdle() const { return impl_->IsIdle(); }
ServiceStats BatchEngine::Stats() const { return impl_->Stats(); }

}  // namespace ixc
