// The only file that sees CLI11, whose headers take seconds to compile.
#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/log.h"

namespace ixc {

namespace {

constexpr const char* kDefaultQuestion = "Please describe this image in detail.";

void AddThreads(CLI::App* app, int& num_threads, std::string& isa) {
  app->add_option("-t,--threads", num_threads, "threads (default: one per core)")
      ->check(CLI::Range(1, 1024));
  app->add_option("--isa", isa, "use at most this instruction set")
      ->check(CLI::IsMember({"scalar", "avx2", "avx512", "avx512vnni", "amx"}));
}

// Tower and adapters; returns the option --lora.
template <typename Options>
CLI::Option* AddPartsFromElsewhere(CLI::App* app, Options& options) {
  app->add_option("--vit-path", options.vit_dir,
                  "CLIP ViT-L/14-336 directory: the vision tower of a model without its own");
  app->add_flag("--allow-missing-adapters", options.allow_missing_adapters,
                "count missing partial LoRA as zero");
  return app->add_option("--lora", options.lora_dir, "PEFT LoRA directory to put on top");
}

void AddModel(CLI::App* app, ModelOptions& options, std::vector<std::string> schemes) {
  app->add_option(
      "-m,--model", options.model_dir,
      "Hugging Face directory of the model (default: the small model shipped with ixc)");
  AddThreads(app, options.num_threads, options.isa);
  app->add_option("--compute", options.compute,
                  "native: keys and values in half precision; fp32: everything in float32")
      ->check(CLI::IsMember({"native", "fp32"}));
  app->add_option("--dtype", options.dtype, "cast float32 weights while loading")
      ->check(CLI::IsMember({"f16", "bf16"}));
  app->add_option("--kv", options.kv,
                  "how keys and values are kept; int8 takes half the memory of f16 and costs some "
                  "accuracy (default: as --compute says)")
      ->check(CLI::IsMember({"f32", "f16", "int8"}));
  auto* pack_cache = app->add_option(
      "--pack-cache", options.pack_cache,
      "directory for packed weights: the first start writes them, later ones map them");
  app->add_flag("--verify-pack", options.verify_pack,
                "hash the packed weights before they are used")
      ->needs(pack_cache);
  app->add_option("--scheme", options.scheme,
                  "integers for the decoder's weights, rounded while loading")
      ->check(CLI::IsMember(std::move(schemes)));
  app->add_option("--group", options.group, "w4: weights that share a scale (default 128)")
      ->check(CLI::IsMember({32, 64, 128}));
  CLI::Option* lora = AddPartsFromElsewhere(app, options);
  app->add_flag("--merge-lora", options.merge_lora,
                "add the LoRA to the weights while loading instead of applying it beside them")
      ->needs(lora);
}

// An option that takes bytes, also as 5GB or 500MiB.
template <typename Bytes>
void AddSize(CLI::App* app, const char* name, Bytes& bytes, const char* help,
             const CLI::Validator& range = CLI::PositiveNumber) {
  app->add_option(name, bytes, help)
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(range)
      ->type_name("SIZE");
}

void AddMaxMemory(CLI::App* app, ModelOptions& options) {
  AddSize(app, "--max-memory", options.max_memory,
          "refuse what would take more memory, before it is taken; for example 12GB");
}

void AddPictureLimits(CLI::App* app, int64_t& max_megapixels, int& max_side) {
  app->add_option("--max-megapixels", max_megapixels, "largest picture that is decoded")
      ->capture_default_str();
  app->add_option("--max-side", max_side, "longest side of a picture in pixels")
      ->capture_default_str();
}

void AddSampling(CLI::App* app, GenerationOptions& generation) {
  app->add_option("-n,--max-new-tokens", generation.max_new_tokens, "longest answer in tokens")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  auto* greedy = app->add_flag_function(
      "--greedy", [](int64_t) {}, "always the most probable token (the default)");
  const auto sample = [&generation](const auto&) { generation.sample = true; };
  for (CLI::Option* option :
       {app->add_option("--temperature", generation.temperature, "sample, with this temperature")
            ->check(CLI::PositiveNumber),
        app->add_option("--top-k", generation.top_k, "sample among the k best (0: no limit)")
            ->check(CLI::NonNegativeNumber),
        app->add_option("--top-p", generation.top_p, "sample within this cumulative probability")
            ->check(CLI::Range(1e-6, 1.0))}) {
    option->excludes(greedy)->each(sample);
  }
  app->add_option("--seed", generation.seed, "of the random choice when sampling")
      ->capture_default_str();
  app->add_option("--repetition-penalty", generation.repetition_penalty,
                  "above 1: repeat less; 1: off")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  auto* beams = app->add_option("--beams", generation.num_beams, "beam search of this width")
                    ->check(CLI::Range(1, 64));
  app->add_flag("--speculate", generation.speculate,
                "guess from prompt and answer how the answer goes on and check several tokens at a "
                "time: the same answer, sooner where it repeats what was said")
      ->excludes(beams);
}

void AddQuestion(CLI::App* app, PromptOptions& options) {
  app->add_option("-p,--prompt", options.prompt, "the question")->capture_default_str();
}

void AddControlTokens(CLI::App* app, PromptOptions& options) {
  app->add_flag("--allow-control-tokens", options.allow_control_tokens,
                "let [UNUSED_TOKEN_145] and the like in a question act as control tokens");
}

void AddPictureReading(CLI::App* app, PromptOptions& options) {
  app->add_option("--hd-num", options.hd_num, "4KHD: most views a picture is cut into (default 25)")
      ->delimiter(',')
      ->check(CLI::Range(1, 10000));
  app->add_flag("--exif-rotate", options.exif_rotate, "turn pictures as their EXIF data says");
  AddPictureLimits(app, options.max_megapixels, options.max_side);
  app->add_option("--max-file-mib", options.max_file_mib, "largest picture file")
      ->capture_default_str();
}

void AddPrompt(CLI::App* app, PromptOptions& options) {
  AddPictureReading(app, options);
  app->add_option("--system", options.system, "system text; \"\" for none (default: the model's)");
  app->add_option("--history", options.history_file,
                  "earlier turns: a JSON file with a list of [question, answer] pairs, or what "
                  "/save of ixc chat wrote");
  app->add_option("--image-marks", options.image_marks,
                  "when <ImageHere> marks and pictures differ in number: strict is an error, loose "
                  "does what the VL reference does")
      ->check(CLI::IsMember({"strict", "loose"}));
  AddSampling(app, options.generation);
}

CLI::App* AddDescribe(CLI::App& app, DescribeOptions& options) {
  CLI::App* command = app.add_subcommand("describe", "Answer a question about pictures");
  command->footer(
      "Example:\n  ixc describe photo.jpg --model internlm-xcomposer2-vl-7b\n"
      "  ixc describe a.png b.png --together --prompt \"What differs between the pictures?\"");
  options.prompt.prompt = kDefaultQuestion;
  command->add_option("images", options.prompt.images, "picture files");
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddMaxMemory(command, options.model);
  AddQuestion(command, options.prompt);
  AddPrompt(command, options.prompt);
  AddControlTokens(command, options.prompt);
  command->add_flag("--together", options.together, "one question about all pictures");
  command->add_option("--batch", options.batch_file,
                      "JSON lines with \"image\" and \"prompt\"; one answer line each");
  command->add_option("-o,--output", options.output_file, "write the answers as JSON to this file");
  command->add_flag("--json", options.json, "print one JSON object an answer");
  command->add_flag("--stats", options.stats, "print tokens and speed to stderr");
  return command;
}

CLI::App* AddChat(CLI::App& app, ChatOptions& options) {
  CLI::App* command = app.add_subcommand("chat", "Talk about pictures");
  command->footer(
      "Type a question, or /help for the commands. Without a terminal each line of the standard\n"
      "input is a question.\n"
      "Example:\n  ixc chat --image photo.jpg --model internlm-xcomposer2-vl-7b");
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddMaxMemory(command, options.model);
  AddPrompt(command, options.prompt);
  AddControlTokens(command, options.prompt);
  command->add_option("-i,--image", options.prompt.images,
                      "picture to show with the first question (once a picture)");
  command->add_flag("--stats", options.stats, "print tokens and speed of every answer to stderr");
  return command;
}

CLI::App* AddTrace(CLI::App& app, TraceOptions& options, std::string& logits) {
  CLI::App* command =
      app.add_subcommand("trace", "Write every intermediate tensor of one run to a file");
  command->footer(
      "Example:\n  ixc trace --image photo.jpg --prompt \"<ImageHere>What is this?\" --hidden "
      "--out run.safetensors");
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddMaxMemory(command, options.model);
  AddQuestion(command, options.prompt);
  AddPrompt(command, options.prompt);
  command->add_option("--image", options.prompt.images, "picture file (once a picture)");
  command->add_option("--out", options.output_file, "safetensors file to write")->required();
  command->add_option("--logits", logits, "prompt positions: last or all")
      ->check(CLI::IsMember({"last", "all"}));
  command
      ->add_option("--force-ids", options.forced_ids, "feed these ids instead of the chosen ones")
      ->delimiter(',');
  command->add_flag("--hidden", options.hidden, "also the output of every decoder layer");
  return command;
}

CLI::App* AddInspect(CLI::App& app, InspectOptions& options) {
  CLI::App* command =
      app.add_subcommand("inspect", "Show what a weight directory holds and the memory it needs");
  command->footer(
      "Example:\n  ixc inspect internlm-xcomposer2-vl-7b\n"
      "  ixc inspect internlm-xcomposer2-vl-7b --verify --sha256 SHA256SUMS\n"
      "  ixc inspect internlm-xcomposer2-4khd-7b --image scan.png --hd-num 55 --draw views.png");
  command->add_option("dir,-m,--model", options.model_dir, "weight directory");
  command->add_option("--context", options.context, "positions to plan memory for")
      ->check(CLI::Range(1, 1 << 20));
  options.prompt.prompt = kDefaultQuestion;
  CLI::Option* image =
      command
          ->add_option("--image", options.prompt.images,
                       "tell views, tokens, memory and time for a question about this picture")
          ->expected(1);
  AddQuestion(command, options.prompt);
  AddPictureReading(command, options.prompt);
  command->add_option("--draw", options.draw_file, "draw the picture as the model sees it (PNG)")
      ->needs(image);
  AddPartsFromElsewhere(command, options);
  CLI::Option* verify = command->add_flag(
      "--verify", options.verify,
      "check everything: index, shapes, types, values, tokenizer, configuration, checksums");
  command
      ->add_option("--sha256", options.sha256_file,
                   "checksums to compare, as sha256sum prints them")
      ->needs(verify);
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

CLI::App* AddConvert(CLI::App& app, ConvertCommandOptions& options) {
  CLI::App* command = app.add_subcommand("convert", "Rewrite a weight directory as safetensors");
  command->footer(
      "An interrupted conversion leaves nothing that looks finished; the same command goes on "
      "from\n"
      "there. Both directories may be the same when the source has PyTorch .bin files.\n"
      "Example:\n  ixc convert internlm-xcomposer2-vl-7b vl-7b-f16 --dtype f16 --shard-size 5GB");
  command->add_option("source", options.source, "weight directory")->required();
  command->add_option("destination", options.destination, "directory to write")->required();
  command->add_option("--dtype", options.dtype, "type of all weights (default: as stored)")
      ->check(CLI::IsMember({"f16", "bf16", "f32"}));
  AddSize(command, "--shard-size", options.shard_size,
          "largest file, such as 5GB or 500MiB (default: the source's division)");
  command->add_flag("--overwrite", options.overwrite, "replace files of the destination");
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

CLI::App* AddQuantize(CLI::App& app, QuantizeCommandOptions& options) {
  CLI::App* command =
      app.add_subcommand("quantize", "Write a weight directory with integer weights");
  command->footer(
      "w8a8 and w8a8s are the schemes of the original tool set, whose files they give; they need\n"
      "calibration texts, JSON lines with a field inputs_pretokenized. w8a8d (8 bits, activations\n"
      "scaled token by token) and w4 (4 bits in groups) need none and take all linears.\n"
      "Example:\n  ixc quantize internlm-xcomposer2-vl-7b vl-7b-w4 --scheme w4 --group 32\n"
      "  ixc quantize internlm-xcomposer2-vl-7b vl-7b-w8a8 --scheme w8a8 --calib texts.jsonl");
  command->add_option("source", options.source, "weight directory")->required();
  command->add_option("destination", options.destination, "directory to write")->required();
  command->add_option("--scheme", options.scheme, "w8a8, w8a8s, w8a8d or w4")
      ->required()
      ->check(CLI::IsMember({"w8a8", "w8a8s", "w8a8d", "w4"}));
  command->add_option("--calib", options.calibration_file,
                      "texts to calibrate with (w8a8, w8a8s; of w4 what --search weighs by)");
  command
      ->add_option("--format", options.format,
                   "w8a8, w8a8s: how the description is spelled, ascendV1 (newer) or safe_tensor")
      ->capture_default_str()
      ->check(CLI::IsMember({"ascendV1", "safe_tensor"}));
  command->add_option("--fraction", options.fraction, "w8a8s: share of weights left large")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.1));
  command->add_option("--group", options.group, "w4: weights that share a scale")
      ->capture_default_str()
      ->check(CLI::IsMember({32, 64, 128}));
  command->add_flag("--search", options.search, "w4: search the scales of least error");
  CLI::Option* report = command->add_option("--report", options.report_file,
                                            "then compare with the float model, on the calibration "
                                            "texts and these, and write a JSON file");
  command->add_option("--report-texts", options.report_texts, "other texts, JSON lines")
      ->needs(report);
  command->add_option("--report-images", options.report_images, "a directory of pictures")
      ->needs(report);
  AddThreads(command, options.num_threads, options.isa);
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

CLI::App* AddCompress(CLI::App& app, CompressCommandOptions& options) {
  CLI::App* command =
      app.add_subcommand("compress", "Compress the weights of a w8a8s directory, without loss");
  command->footer(
      "Writes one part a rank of a tensor-parallel run, part0-of-1 as a rule; this engine runs "
      "that\n"
      "one. The codec is this project's (docs/quantization.md), not the vendor's.\n"
      "Example:\n  ixc compress vl-7b-w8a8s vl-7b-w8a8sc --tp 1");
  command->add_option("source", options.source, "w8a8s directory")->required();
  command->add_option("destination", options.destination, "directory to write")->required();
  command->add_option("--tp", options.num_ranks, "ranks to split the weights for")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

CLI::App* AddTokenize(CLI::App& app, TokenizeOptions& options) {
  CLI::App* command = app.add_subcommand(
      "tokenize", "JSON lines in, JSON lines out: text to token ids, or back with --decode");
  command->footer("Example:\n  echo '\"Hello world\"' | ixc tokenize");
  command->add_option("dir,-m,--model", options.model_dir, "directory with tokenizer.model");
  command->add_flag("--decode", options.decode, "lists of ids to text without special tokens");
  return command;
}

CLI::App* AddBench(CLI::App& app, BenchOptions& options) {
  CLI::App* command =
      app.add_subcommand("bench", "Measure speed beside the limits of this machine");
  command->footer(
      "Without WHAT all of them are measured: limits and kernels always at the sizes of the 7B\n"
      "models, the others (and the memory that they take) on the model given. The small shipped\n"
      "model says little about the real ones; --synthetic runs their shapes with made-up weights\n"
      "and no download (15 GB of memory; 3 GB with --layers 4, which also prints what follows for\n"
      "all 32).\n"
      "Example:\n  ixc bench limits\n  ixc bench kernels --explain\n"
      "  ixc bench prefill --synthetic vl-7b --layers 4\n"
      "  ixc bench decode --synthetic vl-7b --layers 4 --clients 1,8");
  command->add_option("what", options.what, "limits, kernels, prefill, decode, vision or load")
      ->check(CLI::IsMember({"limits", "kernels", "prefill", "decode", "vision", "load"}));
  AddModel(command, options.model, {"w8a8", "w8a8s", "w8a8d", "w4"});
  auto* synthetic =
      command->add_option("--synthetic", options.synthetic, "made-up weights of the real size")
          ->check(CLI::IsMember({"vl-7b", "4khd-7b"}))
          ->excludes("--model");
  command->add_option("--layers", options.num_layers, "decoder layers of the synthetic model")
      ->check(CLI::Range(1, 32))
      ->needs(synthetic);
  command
      ->add_option("--prompt-tokens", options.prompt_tokens,
                   "prompt length, a picture included if it fits (default: a picture and 151)")
      ->check(CLI::Range(1, 1 << 17));
  command->add_option("--hd-num", options.hd_num, "4KHD: most views of the (square) picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command
      ->add_option("--clients", options.clients,
                   "decode: so many sequences at once, a token each a step; for example 1,8")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  command->add_option("--repeats", options.repeats, "measurements of each; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  command->add_option("--only", options.only, "of kernels: the figures with this in their names");
  command->add_flag("--explain", options.explain, "say which kernel runs where, and why");
  auto* json = command->add_flag("--json", options.json, "one JSON object a figure");
  command->add_flag("--csv", options.csv, "comma-separated values, with a line of names first")
      ->excludes(json);
  return command;
}

CLI::App* AddBenchServe(CLI::App* bench, BenchServeOptions& options) {
  CLI::App* command =
      bench->add_subcommand("serve", "Measure a running server with many clients at once");
  command->footer(
      "Every client asks again as soon as it has its answer. Answers are streamed.\n"
      "Example:\n  ixc bench serve --url http://127.0.0.1:8000 --clients 8 --image photo.jpg "
      "--vary");
  options.prompt = kDefaultQuestion;
  command->add_option("--url", options.url, "of the server")->capture_default_str();
  command->add_option("--api-key", options.api_key, "key to bring")->envname("OPENAI_API_KEY");
  command->add_option("-p,--prompt", options.prompt, "the question")->capture_default_str();
  command->add_option("-i,--image", options.images, "picture to ask about (once a picture)");
  command->add_option("-c,--clients", options.num_clients, "clients at one time")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  command->add_option("--requests", options.num_requests, "of all clients (default: 4 each)")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--seconds", options.seconds, "begin no request after that time")
      ->check(CLI::PositiveNumber);
  command->add_option("-n,--max-new-tokens", options.max_new_tokens, "longest answer in tokens")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--vary", options.vary, "number the questions, so that no two are the same");
  command
      ->add_option("--leave", options.leave_share,
                   "share of requests whose client leaves in the midst of the answer")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--seed", options.seed, "of who leaves")->capture_default_str();
  command->add_option("--svg", options.svg_file, "draw the distributions of times");
  command->add_flag("--json", options.json, "print one JSON object");
  return command;
}

void AddSystem(CLI::App* app, PromptOptions& options) {
  app->add_option("--system", options.system, "system text; \"\" for none (default: the model's)");
}

CLI::App* AddPerformance(CLI::App& app, PerformanceOptions& options) {
  CLI::App* command = app.add_subcommand(
      "performance", "Time one picture at a fixed number of tokens, as the original's test does");
  command->footer(
      "Decoding is arg-max and goes on behind the end of the answer, so that every run makes the\n"
      "same number of tokens. Appends to the CSV file of the original's name and form; every\n"
      "sample is written as JSON beside it, and a plot as SVG. With ATB_LLM_BENCHMARK_ENABLE=1 "
      "the\n"
      "table of ATB_LLM_BENCHMARK_FILEPATH (benchmark_result/benchmark.csv) is written too.\n"
      "Requests of a batch run one after the other.\n"
      "Example:\n  ixc performance --image photo.jpg --model internlm-xcomposer2-vl-7b");
  options.prompt.prompt = kDefaultQuestion;
  command->add_option("-i,--image", options.image, "picture file, or a folder that holds one")
      ->required();
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddQuestion(command, options.prompt);
  AddSystem(command, options.prompt);
  AddPictureReading(command, options.prompt);
  command->add_option("--batch", options.batch, "batch sizes to run, for example 1,2,4")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  command->add_option("-n,--max-new-tokens", options.max_new_tokens, "new tokens a request")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--stop-at-end", options.stop_at_end, "stop where the answer ends");
  command->add_option("--repeats", options.repeats, "runs of each batch size, a row each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_option("-o,--csv", options.csv_file, "table to append to")->capture_default_str();
  command->add_flag("--json", options.json, "print every sample as one JSON object");
  return command;
}

CLI::App* AddPrecision(CLI::App& app, PrecisionOptions& options) {
  CLI::App* command = app.add_subcommand(
      "precision", "Describe every picture of a folder into one JSON file, by two routes");
  command->footer(
      "fast: arg-max, at most 256 tokens, keys are full paths, as the original's accelerated run;\n"
      "any --dtype, --scheme or --compute. reference: float32, penalty 1.005, at most 1024 "
      "tokens,\n"
      "keys are file names, as the original's reference run. --same-settings decodes by the fast\n"
      "route with the reference's settings, so that --compare can set texts side by side.\n"
      "The output keeps the answers that it already has for other pictures.\n"
      "Pictures of a batch are answered at the same time, in less time and with the same texts.\n"
      "Example:\n  ixc precision --images photos --output predict_result.json\n"
      "  ixc precision --compare predict_result.json torch_npu_coco_predict.json");
  options.prompt.prompt = kDefaultQuestion;
  auto* compare = command
                      ->add_option("--compare", options.compare,
                                   "two files of answers: how many are equal, where others differ")
                      ->expected(2);
  command->add_option("-i,--images", options.image_dir, "folder of pictures")->excludes(compare);
  command->add_option("-o,--output", options.output_file, "file of answers")
      ->capture_default_str()
      ->excludes(compare);
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddQuestion(command, options.prompt);
  AddSystem(command, options.prompt);
  AddPictureReading(command, options.prompt);
  command->add_option("--route", options.route, "fast or reference")
      ->capture_default_str()
      ->check(CLI::IsMember({"fast", "reference"}));
  command->add_flag("--same-settings", options.same_settings,
                    "decode with the reference's settings on either route");
  command->add_option("--keys", options.keys, "path or name: how the output names pictures")
      ->check(CLI::IsMember({"path", "name"}));
  command->add_option("--batch", options.batch, "pictures at the same time")
      ->check(CLI::Range(1, 1024));
  command->add_option("-n,--max-new-tokens", options.max_new_tokens, "longest answer in tokens")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--resume", options.resume, "skip pictures that the output has an answer for");
  command->add_flag("--json", options.json, "print a summary as one JSON object");
  return command;
}

CLI::App* AddClipScore(CLI::App& app, ClipScoreOptions& options) {
  CLI::App* command = app.add_subcommand(
      "clip-score", "Score answers by how well they fit their pictures, with an OpenCLIP model");
  command->footer(
      "The score is the cosine of the judge's picture and text features; only the first 75 or so\n"
      "tokens of an answer count. A judge is a directory with open_clip_config.json (ViT-H-14 if\n"
      "there is none) and its weights as safetensors or open_clip_pytorch_model.bin.\n"
      "Example:\n  ixc clip-score --predictions predict_result.json --images photos "
      "--judge CLIP-ViT-H-14\n"
      "  ixc clip-score --compare fast.json reference.json --images photos --html report.html");
  auto* compare = command
                      ->add_option("--compare", options.compare,
                                   "two files of answers: both means, and their difference with "
                                   "its 95 % interval")
                      ->expected(2);
  command->add_option("-p,--predictions", options.predictions_file, "file of answers")
      ->excludes(compare);
  command->add_option("-i,--images", options.image_dir,
                      "folder of the pictures that are not named by an absolute path");
  command->add_option("-j,--judge", options.judge_dir,
                      "OpenCLIP directory (default: models/tiny-clip, where it is there)");
  AddThreads(command, options.num_threads, options.isa);
  command->add_option("-o,--output", options.output_file, "write the result as JSON to this file");
  command->add_option("--csv", options.csv_file, "write the scores as CSV to this file");
  command->add_option("--html", options.html_file, "write a page with pictures, texts and scores");
  command->add_option("--most", options.most, "how many pictures to list that differ most")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  command->add_flag("--json", options.json, "print the result as one JSON object");
  return command;
}

void AddServeMemory(CLI::App* app, ServeOptions& options) {
  const CLI::Range range(int64_t{0}, int64_t{1} << 50);
  AddSize(app, "--kv-memory", options.kv_bytes,
          "keys and values of all requests, and those kept for later prompts (default: 2GiB, or "
          "one longest context if that is more)",
          range);
  AddSize(app, "--picture-cache", options.picture_cache_bytes,
          "encoded pictures that are kept (default: 512MiB)", range);
}

void AddServeLimits(CLI::App* app, ServeOptions& options) {
  app->add_option("--max-running", options.max_running, "requests that are worked on at one time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_option("--max-waiting", options.max_waiting, "requests that wait; more get status 429")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  app->add_option("--max-context", options.max_context,
                  "tokens of a prompt and its answer (default: what the model was made for)")
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--max-new-tokens", options.max_new_tokens,
                  "longest answer that may be asked for")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--max-choices", options.max_choices, "largest n")
      ->capture_default_str()
      ->check(CLI::Range(1, 128));
  app->add_option("--max-pictures", options.max_pictures, "pictures of a request")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  app->add_option("--max-hd-num", options.max_hd_num, "4KHD: largest hd_num")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  AddPictureLimits(app, options.max_megapixels, options.max_side);
  AddSize(app, "--max-body", options.max_body, "largest body of a request, for example 64MB");
  app->add_option("--max-connections", options.max_connections, "open connections")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  for (const auto& [name, seconds, help] :
       {std::tuple("--head-seconds", &options.head_seconds, "a client may take for a header"),
        std::tuple("--body-seconds", &options.body_seconds, "a client may take for a body"),
        std::tuple("--idle-seconds", &options.idle_seconds, "between two requests")}) {
    app->add_option(name, *seconds, help)->capture_default_str()->check(CLI::Range(1, 86400));
  }
}

CLI::App* AddServe(CLI::App& app, ServeOptions& options) {
  CLI::App* command =
      app.add_subcommand("serve", "Answer many clients over HTTP, as the OpenAI API does");
  command->footer(
      "A web page is at /, the API below /v1; docs/serving.md describes both. Ctrl-C and SIGTERM "
      "let\nanswers that have begun come to their end; a second one does not.\n"
      "Example:\n  ixc serve --model internlm-xcomposer2-vl-7b --port 8000\n"
      "  curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"model\": \"internlm-xcomposer2-vl-7b\", \"messages\": [{\"role\": \"user\", "
      "\"content\": \"Hello\"}]}'");
  AddModel(command, options.model, {"w8a8d", "w4"});
  AddMaxMemory(command, options.model);
  command->add_option("--host", options.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options.port, "port; 0 takes a free one and prints it")
      ->capture_default_str();
  command->add_option("--served-name", options.served_name,
                      "the model's name in requests (default: that of its directory)");
  command->add_option("--api-keys", options.api_keys_file,
                      "file with keys, one a line: every request but /health has to bring one");
  command
      ->add_option("--media-root", options.media_root,
                   "directory whose pictures may be named by file:// URLs")
      ->check(CLI::ExistingDirectory);
  command->add_option("--allow-url", options.allowed_url_hosts,
                      "hosts that pictures may be fetched from by http(s):// URLs");
  command->add_option("--allow-host", options.allowed_hosts,
                      "names, other than localhost, by which a server on a loopback address "
                      "without keys may be called");
  AddServeMemory(command, options);
  AddServeLimits(command, options);
  command->add_flag("--json", options.json, "one JSON object a request on the standard output");
  return command;
}

}  // namespace

std::variant<Command, int> ParseCommandLine(int argc, char** argv) {
  CLI::App app{"ixc describes pictures with InternLM-XComposer2-VL and -4KHD on ordinary CPUs.",
               "ixc"};
  app.set_version_flag("--version", "ixc " IXC_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::string log_level = "warn";
  app.add_option("--log-level", log_level, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));

  DescribeOptions describe;
  ChatOptions chat;
  TraceOptions trace;
  InspectOptions inspect;
  ConvertCommandOptions convert;
  QuantizeCommandOptions quantize;
  CompressCommandOptions compress;
  TokenizeOptions tokenize;
  BenchOptions bench;
  PerformanceOptions performance;
  PrecisionOptions precision;
  ClipScoreOptions clip_score;
  ServeOptions serve;
  std::string trace_logits = "last";
  const CLI::App* describe_command = AddDescribe(app, describe);
  const CLI::App* chat_command = AddChat(app, chat);
  const CLI::App* trace_command = AddTrace(app, trace, trace_logits);
  const CLI::App* inspect_command = AddInspect(app, inspect);
  const CLI::App* convert_command = AddConvert(app, convert);
  const CLI::App* quantize_command = AddQuantize(app, quantize);
  const CLI::App* compress_command = AddCompress(app, compress);
  const CLI::App* tokenize_command = AddTokenize(app, tokenize);
  const CLI::App* performance_command = AddPerformance(app, performance);
  const CLI::App* precision_command = AddPrecision(app, precision);
  const CLI::App* clip_score_command = AddClipScore(app, clip_score);
  const CLI::App* serve_command = AddServe(app, serve);
  BenchServeOptions bench_serve;
  const CLI::App* bench_serve_command = AddBenchServe(AddBench(app, bench), bench_serve);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::cerr << "error: " << error.what() << "; see 'ixc --help'\n";
    return 2;
  }
  SetLogLevel(log_level);
  trace.all_logits = trace_logits == "all";
  if (*describe_command) return Command{std::move(describe)};
  if (*chat_command) return Command{std::move(chat)};
  if (*trace_command) return Command{std::move(trace)};
  if (*inspect_command) return Command{std::move(inspect)};
  if (*convert_command) return Command{std::move(convert)};
  if (*quantize_command) return Command{std::move(quantize)};
  if (*compress_command) return Command{std::move(compress)};
  if (*tokenize_command) return Command{std::move(tokenize)};
  if (*performance_command) return Command{std::move(performance)};
  if (*precision_command) return Command{std::move(precision)};
  if (*clip_score_command) return Command{std::move(clip_score)};
  if (*serve_command) return Command{std::move(serve)};
  if (*bench_serve_command) return Command{std::move(bench_serve)};
  return Command{std::move(bench)};
}

}  // namespace ixc
