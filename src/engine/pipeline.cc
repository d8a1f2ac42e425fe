#include "engine/pipeline.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "model/picture_plan.h"
#include "model/prefill.h"

namespace ixc {

namespace {

std::optional<DType> ParseCast(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (name == "f16") return DType::kF16;
  if (name == "bf16") return DType::kBF16;
  Fail("unknown dtype '{}' to cast weights to; known are f16 and bf16", name);
}

}  // namespace

DType ChooseKvDtype(const EngineOptions& options, DType weight_dtype) {
  if (options.kv == "int8") return DType::kI8;
  if (options.kv == "f16") return DType::kF16;
  if (options.kv == "f32") return DType::kF32;
  if (!options.kv.empty()) {
    Fail("unknown type '{}' of keys and values; known are f32, f16 and int8", options.kv);
  }
  // Half precision loses nothing that a half-precision checkpoint still had to give.
  const bool is_wide = options.compute == ComputeMode::kFloat32 || weight_dtype == DType::kF32;
  return is_wide ? DType::kF32 : DType::kF16;
}

std::optional<LoadScheme> ParseLoadScheme(const std::string& name, int group) {
  if (name.empty()) return std::nullopt;
  for (QuantScheme scheme : kQuantSchemes) {
    if (name == Name(scheme)) return LoadScheme{scheme, group};
  }
  Fail("unknown scheme '{}'; known are w8a8, w8a8s, w8a8d and w4", name);
}

int HdNumOf(const Request& request, size_t picture) {
  const auto& given = request.hd_num;
  if (given.empty()) return kDefaultHdNum;
  if (given.size() == 1) return given[0];
  if (given.size() != request.images.size()) {
    Fail("{} hd numbers for {} pictures; give one for all or one a picture", given.size(),
         request.images.size());
  }
  return given[picture];
}

Sequence::Sequence(const XComposer2& model, DType kv_dtype, std::shared_ptr<BlockPool> pool)
    : cache_({model.decoder().config().num_kv_heads, model.decoder().config().head_dim, kv_dtype},
             model.decoder().num_layers(), std::move(pool)),
      rope_(model.decoder().config().rope) {}

Pipeline::Pipeline(XComposer2 model, std::unique_ptr<ThreadPool> pool, Isa isa, DType kv_dtype)
    : pool_(std::move(pool)),
      compute_{isa, pool_.get()},
      model_(std::move(model)),
      transform_(TransformOf(model_.kind(), model_.config())),
      kv_dtype_(kv_dtype) {}

std::unique_ptr<Pipeline> Pipeline::Load(const EngineOptions& options) {
  WeightDirectory directory = WeightDirectory::Open(
      options.model_dir, {options.vit_dir, options.lora_dir, options.allow_missing_adapters});
  MemoryGuard memory;
  if (options.max_memory > 0 || options.on_memory_plan) memory = MemoryGuard(directory, options);
  auto tokenizer = std::make_unique<Tokenizer>(Tokenizer::Load(options.model_dir));
  auto pool = std::make_unique<ThreadPool>(options.num_threads);
  const Compute compute{ChooseIsa(options.isa), pool.get()};
  LoadOptions load;
  load.cast_float32_to = ParseCast(options.dtype);
  load.scheme = ParseLoadScheme(options.scheme, options.group);
  load.on_progress = options.on_load_progress;
  load.pack_cache = {options.pack_cache, options.verify_pack, options.on_note};
  load.on_warning = options.on_warning;
  load.allow_missing_adapters = options.allow_missing_adapters;
  load.merge_lora = options.merge_lora;
  XComposer2 model = XComposer2::Load(std::move(directory), load, compute);
  if (tokenizer->vocab_size() > model.config().vocab_size) {
    Fail(
        "{}: tokenizer.model has {} pieces, config.json says vocab_size {}; they belong to "
        "different models",
        options.model_dir, tokenizer->vocab_size(), model.config().vocab_size);
  }
  const DType kv_dtype = ChooseKvDtype(options, model.weight_dtype());
  auto pipeline =
      std::make_unique<Pipeline>(std::move(model), std::move(pool), compute.isa, kv_dtype);
  pipeline->stop_ids_ = StopIds(*tokenizer);
  pipeline->tokenizer_ = std::move(tokenizer);
  pipeline->memory_ = memory;
  return pipeline;
}

EncodedPicture Pipeline::EncodePicture(const Image& image, int hd_num,
                                       const std::function<void(double share)>& progress) const {
  EncodedPicture picture;
  picture.prepared = PrepareImage(image, transform_, hd_num, compute_);
  const int views = picture.prepared.num_views();
  picture.features = model_.tower().Encode(picture.prepared.pixels, compute_, [&](int done) {
    if (progress) progress(static_cast<double>(done) / views);
  });
  const Matrix tokens = model_.ImageTokens(
      picture.features, {picture.prepared.tile_rows, picture.prepared.tile_cols});
  picture.embeds = Matrix(tokens.rows(), model_.config().hidden_size);
  model_.Project(tokens, picture.embeds, compute_);
  return picture;
}

int64_t Pipeline::CountImageTokens(const Image& image, int hd_num) const {
  return PlanPicture(model_.kind(), model_.config(), image.width, image.height, hd_num)
      .image_tokens;
}

std::vector<int64_t> Pipeline::CountImageTokens(const Request& request) const {
  std::vector<int64_t> counts;
  for (size_t i = 0; i < request.images.size(); ++i) {
    counts.push_back(CountImageTokens(request.images[i], HdNumOf(request, i)));
  }
  return counts;
}

std::vector<PositionKey> Pipeline::KeysOf(const Request& request,
                                          const AssembledPrompt& prompt) const {
  std::vector<PositionKey> keys;
  keys.reserve(prompt.input_ids.size());
  for (int64_t id : prompt.input_ids) keys.push_back({{}, id});
  for (size_t range = 0; range < prompt.image_rows.size(); ++range) {
    const size_t image = static_cast<size_t>(prompt.image_of_rows[range]);
    const PictureIdentity picture =
        IdentityOf(request.images[image], transform_, HdNumOf(request, image));
    const auto [begin, end] = prompt.image_rows[range];
    for (int64_t row = begin; row < end; ++row) {
      keys[static_cast<size_t>(row)] = {picture, row - begin};
    }
  }
  return keys;
}

AssembledPrompt Pipeline::LayOut(const PromptSequence& prompt,
                                 std::span<const int64_t> image_tokens) const {
  AssembledPrompt assembled;
  assembled.text = prompt.prompt;
  for (const PromptSegment& segment : prompt.segments) {
    if (!segment.is_image()) {
      assembled.input_ids.insert(assembled.input_ids.end(), segment.ids.begin(), segment.ids.end());
      continue;
    }
    const int64_t begin = assembled.num_tokens();
    const int64_t count = image_tokens[static_cast<size_t>(segment.image)];
    assembled.input_ids.insert(assembled.input_ids.end(), static_cast<size_t>(count), -1);
    assembled.image_rows.push_back({begin, begin + count});
    assembled.image_of_rows.push_back(segment.image);
    assembled.image_tokens += count;
  }
  const int64_t limit = MaxPromptTokens(model_.kind(), model_.config());
  if (assembled.num_tokens() > limit) {
    Fail(
        "the prompt has {} tokens ({} of pictures), the model takes {}; use fewer or smaller "
        "pictures (--hd-num) or a shorter text",
        assembled.num_tokens(), assembled.image_tokens, limit);
  }
  // The reference generates from embeddings when there is a picture, and then its penalty sees one
  // BOS and the new tokens; from ids otherwise, and then it sees the whole prompt.
  if (assembled.image_rows.empty()) {
    assembled.penalised_ids.assign(assembled.input_ids.begin(), assembled.input_ids.end());
  } else {
    assembled.penalised_ids = {tokenizer_->bos_id()};
  }
  return assembled;
}

void Pipeline::EmbedRows(const PromptSequence& prompt, const AssembledPrompt& assembled,
                         std::span<const Matrix* const> pictures, int64_t first,
                         MatrixView out) const {
  const int64_t last = first + out.rows;
  int64_t end = 0;  // of the segment
  size_t image = 0;
  for (const PromptSegment& segment : prompt.segments) {
    const int64_t begin = end;
    end = segment.is_image() ? assembled.image_rows[image++].end
                             : begin + static_cast<int64_t>(segment.ids.size());
    if (end <= first || begin >= last) continue;
    const int64_t skipped = std::max(first - begin, int64_t{0});
    const int64_t count = std::min(end, last) - begin - skipped;
    const MatrixView rows = out.Rows(begin + skipped - first, count);
    if (segment.is_image()) {
      const Matrix& embeds = *pictures[static_cast<size_t>(segment.image)];
      std::copy_n(embeds.Row(skipped), rows.rows * rows.cols, rows.data);
    } else {
      const std::span ids(segment.ids);
      model_.EmbedTokens(ids.subspan(static_cast<size_t>(skipped), static_cast<size_t>(count)),
                         rows);
    }
  }
}

void Pipeline::Embed(const PromptSequence& prompt, std::span<const EncodedPicture> pictures,
                     int64_t first_row, AssembledPrompt& assembled) const {
  std::vector<const Matrix*> embeds;
  for (const EncodedPicture& picture : pictures) embeds.push_back(&picture.embeds);
  assembled.first_row = first_row;
  assembled.embeds = Matrix(assembled.num_tokens() - first_row, model_.config().hidden_size);
  EmbedRows(prompt, assembled, embeds, first_row, assembled.embeds);
}

AssembledPrompt Pipeline::Assemble(const PromptSequence& prompt,
                                   std::span<const EncodedPicture> pictures) const {
  std::vector<int64_t> image_tokens;
  for (const EncodedPicture& picture : pictures) image_tokens.push_back(picture.embeds.rows());
  AssembledPrompt assembled = LayOut(prompt, image_tokens);
  Embed(prompt, pictures, 0, assembled);
  return assembled;
}

PromptSequence Pipeline::BuildPrompt(const Request& request) const {
  ChatPrompt chat;
  chat.num_images = static_cast<int>(request.images.size());
  chat.history = request.history;
  chat.system = request.system;
  chat.allow_control_tokens = request.allow_control_tokens;
  chat.image_marks = request.image_marks;
  chat.query = request.query;
  if (request.image_marks == ImageMarks::kAdd) {
    chat.query = WithImageMarks(request.query, request.history, chat.num_images);
    chat.image_marks = ImageMarks::kStrict;
  }
  if (request.image_marks == ImageMarks::kLoose && model_.kind() != ModelKind::kVl &&
      chat.num_images > 0) {
    chat.image_marks = ImageMarks::kStrict;  // the 4KHD reference has no loose way with pictures
  }
  return ixc::BuildPrompt(*tokenizer_, chat);
}

void Pipeline::CheckMemory(const Request& request, const AssembledPrompt& assembled) const {
  const ModelConfig& config = model_.config();
  MemoryGuard::Request needs;
  needs.positions = assembled.num_tokens() + request.generation.max_new_tokens;
  needs.sequences = request.generation.num_beams;
  for (size_t i = 0; i < request.images.size(); ++i) {
    const Image& image = request.images[i];
    const PicturePlan plan =
        PlanPicture(model_.kind(), config, image.width, image.height, HdNumOf(request, i));
    // One picture at a time is encoded; its embeddings stay.
    needs.other = std::max(needs.other, PlanPictureBytes(plan, config, assembled.num_tokens()));
    needs.other += image.rgb.size();
  }
  if (request.images.empty()) {
    PicturePlan none;
    none.cells_per_side = 1;
    needs.other = PlanPictureBytes(none, config, assembled.num_tokens());
  }
  const auto& decoder = model_.decoder().config();
  memory_.Check(needs, {decoder.num_kv_heads, decoder.head_dim, kv_dtype_},
                model_.decoder().num_layers());
}

Sequence Pipeline::NewSequence(std::shared_ptr<BlockPool> pool) const {
  return Sequence(model_, kv_dtype_, std::move(pool));
}

size_t Pipeline::BlockBytes() const {
  const auto& decoder = model_.decoder().config();
  return KvCache::PoolBlockBytes({decoder.num_kv_heads, decoder.head_dim, kv_dtype_},
                                 model_.decoder().num_layers());
}

void Pipeline::Forward(
    MatrixView hidden, std::span<const BatchRows> batch, std::span<const RowRange> image_rows,
    const std::function<void(int layer, ConstMatrixView hidden)>& observe) const {
  std::vector<SequenceRows> sequences;
  for (const BatchRows& rows : batch) {
    KvCache& cache = rows.sequence->cache_;
    cache.Reserve(cache.length() + rows.count);
    SequenceRows& sequence = sequences.emplace_back();
    sequence.count = rows.count;
    sequence.first_position = cache.length();
    sequence.total_length = rows.total_length;
    sequence.blocks = [&cache](int layer) { return cache.Blocks(layer); };
    sequence.rope = &rows.sequence->rope_;
  }
  ForwardPass pass;
  const auto& decoder = model_.decoder().config();
  pass.kv = {decoder.num_kv_heads, decoder.head_dim, kv_dtype_};
  pass.sequences = sequences;
  pass.image_rows = image_rows;
  pass.observe = observe;
  model_.decoder().Forward(hidden, pass, compute_);
  for (const BatchRows& rows : batch) {
    rows.sequence->cache_.set_length(rows.sequence->length() + rows.count);
  }
}

std::vector<RowRange> ImageRowsOf(const AssembledPrompt& prompt, int64_t first, int64_t count) {
  std::vector<RowRange> image_rows;
  for (const RowRange& range : prompt.image_rows) {
    const int64_t begin = std::max(range.begin, first) - first;
    const int64_t end = std::min(range.end, first + count) - first;
    if (begin < end) image_rows.push_back({begin, end});
  }
  return image_rows;
}

Matrix Pipeline::Prefill(const AssembledPrompt& prompt, Sequence& sequence,
                         const PrefillOptions& options) const {
  const int64_t num_tokens = prompt.num_tokens();
  const int64_t num_rows = num_tokens - prompt.first_row;
  const int64_t hidden_size = model_.config().hidden_size;
  Matrix last(options.all_rows ? num_rows : 1, hidden_size);
  Matrix chunk(std::min(kPrefillRows, num_rows), hidden_size);
  if (options.on_progress) options.on_progress(0);  // clocks start here
  for (int64_t done = 0; done < num_rows; done += kPrefillRows) {
    if (options.is_cancelled && options.is_cancelled()) return {};
    const int64_t first = prompt.first_row + done;
    const int64_t count = std::min(kPrefillRows, num_rows - done);
    const MatrixView rows = chunk.View().Rows(0, count);
    std::copy_n(prompt.embeds.Row(done), count * hidden_size, rows.data);
    std::function<void(int, ConstMatrixView)> observe;
    if (options.observe) {
      observe = [&](int layer, ConstMatrixView hidden) { options.observe(layer, first, hidden); };
    }
    const BatchRows batch{&sequence, count, num_tokens};
    Forward(rows, std::span(&batch, 1), ImageRowsOf(prompt, first, count), observe);
    if (options.all_rows) {
      std::copy_n(rows.data, count * hidden_size, last.Row(done));
    } else {
      std::copy_n(rows.Row(count - 1), hidden_size, last.data());
    }
    if (options.on_progress) {
      options.on_progress(static_cast<double>(done + count) / static_cast<double>(num_rows));
    }
  }
  return last;
}

Matrix Pipeline::Logits(ConstMatrixView hidden) const {
  return model_.decoder().Logits(hidden, compute_);
}

Matrix Pipeline::Step(std::span<const int32_t> ids, Sequence& sequence) const {
  const auto count = static_cast<int64_t>(ids.size());
  Matrix hidden(count, model_.config().hidden_size);
  model_.EmbedTokens(ids, hidden);
  const BatchRows batch{&sequence, count, sequence.length() + count};
  Forward(hidden, std::span(&batch, 1), {});
  return Logits(hidden);
}

}  // namespace ixc
