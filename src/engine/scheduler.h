// Who is worked on next when many requests share a model. Bookkeeping only: it knows numbers and
// rows, no model and no memory.
//
// A request waits in one queue, first come first served. At its admission all the memory that it
// can ever need is set aside (`fits`), so a running request never has to give way to another. The
// first one that does not fit keeps those behind it waiting: nobody can be overtaken for ever.
//
// Every step runs all decoding requests, a row each, and one piece of work of one request that is
// not there yet: a piece of its pictures or a chunk of its prompt. These take turns, so that a
// short prompt does not wait for a long one, and no stream waits longer than one such piece. Beside
// streams the pieces are smaller: with chunks of 64 rows a prompt is read 10 to 15 % slower than
// with the usual ones (7B on two cores), and streams wait an eighth of the time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <vector>

namespace ixc {

struct SchedulerLimits {
  int64_t max_running = 16;
  int64_t max_waiting = 64;
  int64_t chunk_rows = 512;  // of a prompt in one step
  int64_t chunk_rows_beside_streams = 64;
};

struct StepPlan {
  enum class Piece { kNone, kPicture, kPrompt };

  std::vector<uint64_t> decoding;  // in the order of their admission
  Piece piece = Piece::kNone;
  uint64_t number = 0;  // whose piece it is
  int64_t rows = 0;     // kPrompt: the chunk's

  bool empty() const { return decoding.empty() && piece == Piece::kNone; }
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerLimits& limits) : limits_(limits) {}

  bool is_full() const { return num_waiting() >= limits_.max_waiting; }
  // Puts a new number at the end of the queue. Call only if that is not full.
  void Add(uint64_t number) { waiting_.push_back(number); }
  // Forgets a number, wherever it is.
  void Remove(uint64_t number);

  // Takes numbers from the queue while there is room for one more and `fits` sets aside what it
  // needs. They begin with their pictures.
  std::vector<uint64_t> Admit(const std::function<bool(uint64_t number)>& fits);
  // The pictures are there; the prompt has so many rows to be read (at least one).
  void StartPrompt(uint64_t number, int64_t rows);
  // So many rows of the prompt have been read. With the last one the request decodes.
  void FinishRows(uint64_t number, int64_t rows);

  // The next step. A piece given out counts as a turn.
  StepPlan Plan();

  int64_t num_waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t num_running() const { return static_cast<int64_t>(running_.size()); }
  bool is_idle() const { return waiting_.empty() && running_.empty(); }

 private:
  struct Running {
    int64_t order = 0;  // of admission
    bool has_pictures = false;
    int64_t rows = 0;  // of the prompt that are left
  };

  SchedulerLimits limits_;
  std::deque<uint64_t> waiting_;
  std::map<uint64_t, Running> running_;
  std::list<uint64_t> decoding_;  // in the order of admission
  std::list<uint64_t> turns_;     // not decoding yet; the next to get a piece is first
  int64_t admitted_ = 0;
};

}  // namespace ixc
