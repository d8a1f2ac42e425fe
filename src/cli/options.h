// The command line: one struct a command, filled by ParseCommandLine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/tokenize.h"
#include "ixc/engine.h"

namespace ixc {

// Options that every command with a model takes.
struct ModelOptions {
  std::string model_dir;  // "": the small model that ships with the source
  int num_threads = 0;
  std::string isa;
  std::string compute = "native";
  std::string dtype;
  std::string scheme;      // "": as stored
  int group = 128;         // of w4
  std::string kv;          // "": by compute
  std::string pack_cache;  // "": none
  bool verify_pack = false;
  uint64_t max_memory = 0;  // bytes; 0: no limit
  std::string vit_dir;
  std::string lora_dir;
  bool merge_lora = false;
  bool allow_missing_adapters = false;
};

// One question about pictures: what describe, chat and trace share.
struct PromptOptions {
  std::string prompt;
  std::vector<std::string> images;
  std::vector<int> hd_num;
  std::optional<std::string> system;
  std::string history_file;  // see saved_conversation.h
  std::string image_marks;   // strict, loose, or "" for the command's own
  bool allow_control_tokens = false;
  bool exif_rotate = false;
  int64_t max_megapixels = 40;
  int max_side = 16384;
  int64_t max_file_mib = 64;
  GenerationOptions generation;
};

struct DescribeOptions {
  ModelOptions model;
  PromptOptions prompt;
  bool together = false;
  std::string batch_file;
  std::string output_file;
  bool json = false;
  bool stats = false;
};

struct ChatOptions {
  ModelOptions model;
  PromptOptions prompt;  // images: shown with the first question
  bool stats = false;
};

struct TraceOptions {
  ModelOptions model;
  PromptOptions prompt;
  std::string output_file;
  bool all_logits = false;
  bool hidden = false;
  std::vector<int32_t> forced_ids;
};

struct InspectOptions {
  std::string model_dir;
  PromptOptions prompt;   // at most one picture: what would become of it
  std::string draw_file;  // a PNG of the picture's views; "": none
  int64_t context = 0;    // positions to plan memory for; 0: the model's limit
  std::string vit_dir;
  std::string lora_dir;
  bool allow_missing_adapters = false;
  bool verify = false;      // read every weight too
  std::string sha256_file;  // of --verify: checksums as sha256sum prints them
  bool json = false;
};

struct ConvertCommandOptions {
  std::string source;
  std::string destination;
  std::string dtype;        // f16, bf16, f32; "": as stored
  uint64_t shard_size = 0;  // bytes; 0: one file for each of the source's
  bool overwrite = false;
  bool json = false;
};

struct QuantizeCommandOptions {
  std::string source;
  std::string destination;
  std::string scheme;
  std::string calibration_file;
  std::string format = "ascendV1";  // or safe_tensor: spelling of the description
  double fraction = 0.011;          // w8a8s: of weights that are outliers
  int group = 128;                  // w4
  bool search = false;              // w4: scales of least error
  std::string report_file;          // "": none
  std::string report_texts;         // JSON lines as for calibration, not used for it
  std::string report_images;        // a directory of pictures
  int num_threads = 0;
  std::string isa;
  bool json = false;
};

struct CompressCommandOptions {
  std::string source;
  std::string destination;
  int num_ranks = 1;
  bool json = false;
};

struct BenchOptions {
  ModelOptions model;
  std::string what;       // limits, kernels, prefill, decode, vision, load; "": all
  std::string synthetic;  // vl-7b or 4khd-7b: a random model of the real size
  int num_layers = 0;     // of the synthetic model; 0: all
  int prompt_tokens = 0;  // 0: a picture and the text around it
  int hd_num = 25;
  std::vector<int> clients = {1};  // of decode: sequences in a step
  int repeats = 5;
  std::string only;  // kernels: figures with this in their names
  bool explain = false;
  bool csv = false;
  bool json = false;
};

struct PerformanceOptions {
  ModelOptions model;
  PromptOptions prompt;
  std::string image;  // a picture, or a folder with one
  std::vector<int> batch = {1};
  int max_new_tokens = 256;
  int repeats = 1;
  bool stop_at_end = false;
  std::string csv_file = "internlmxcomposer2_performance.csv";
  bool json = false;
};

struct PrecisionOptions {
  ModelOptions model;
  PromptOptions prompt;
  std::string image_dir;
  std::string output_file = "predict_result.json";
  std::string route = "fast";  // or reference
  std::string keys;            // path or name; "": as the route's original has them
  int batch = 1;
  std::optional<int> max_new_tokens;  // none: as the route has it
  bool same_settings = false;
  bool resume = false;
  std::vector<std::string> compare;  // two files of answers, and nothing is run
  bool json = false;
};

struct ClipScoreOptions {
  std::string judge_dir;  // "": models/tiny-clip
  std::string predictions_file;
  std::string image_dir;
  std::vector<std::string> compare;  // two files of answers
  std::string csv_file;
  std::string output_file;
  std::string html_file;
  int most = 5;  // pictures that differ most
  int num_threads = 0;
  std::string isa;
  bool json = false;
};

struct ServeOptions {
  ModelOptions model;
  std::string host = "127.0.0.1";
  uint16_t port = 8000;     // 0: a free one
  std::string served_name;  // "": the directory's
  std::string api_keys_file;
  std::string media_root;
  std::vector<std::string> allowed_url_hosts;
  std::vector<std::string> allowed_hosts;
  int max_running = 16;
  int max_waiting = 64;
  int64_t max_context = 0;  // 0: what the model was made for
  int64_t kv_bytes = 0;     // 0: what BatchOptions says
  int64_t picture_cache_bytes = int64_t{512} << 20;
  int max_choices = 8;
  int max_pictures = 16;
  int max_new_tokens = 1 << 17;
  int max_hd_num = 100;
  int64_t max_megapixels = 40;
  int max_side = 16384;
  uint64_t max_body = uint64_t{32} << 20;
  int max_connections = 4096;
  int head_seconds = 10;
  int body_seconds = 60;
  int idle_seconds = 60;
  bool json = false;
};

struct BenchServeOptions {
  std::string url = "http://127.0.0.1:8000";
  std::string api_key;
  std::string prompt;
  std::vector<std::string> images;
  int num_clients = 1;
  int num_requests = 0;  // with no seconds either: 4 a client
  double seconds = 0;
  int max_new_tokens = 64;
  bool vary = false;       // every question is another one
  double leave_share = 0;  // of clients that leave in the midst of an answer
  uint64_t seed = 0;
  std::string svg_file;
  bool json = false;
};

using Command = std::variant<DescribeOptions, ChatOptions, TraceOptions, InspectOptions,
                             ConvertCommandOptions, QuantizeCommandOptions, CompressCommandOptions,
                             TokenizeOptions, BenchOptions, PerformanceOptions, PrecisionOptions,
                             ClipScoreOptions, ServeOptions, BenchServeOptions>;

// What to run, or the exit code of a command line that is already answered (help, version: 0; wrong
// usage: 2, with one line on stderr).
std::variant<Command, int> ParseCommandLine(int argc, char** argv);

}  // namespace ixc
