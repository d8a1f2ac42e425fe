#include "eval/compare.h"

#include <algorithm>
#include <cmath>

#include "engine/generate.h"
#include "engine/sampler.h"

namespace ixc {
namespace {

Matrix TextLogits(const Pipeline& pipeline, const std::vector<int32_t>& ids) {
  AssembledPrompt prompt;
  prompt.input_ids.assign(ids.begin(), ids.end());
  prompt.embeds = Matrix(prompt.num_tokens(), pipeline.model().config().hidden_size);
  pipeline.model().EmbedTokens(ids, prompt.embeds);
  Sequence sequence = pipeline.NewSequence();
  Pipeline::PrefillOptions all;
  all.all_rows = true;
  return pipeline.Logits(pipeline.Prefill(prompt, sequence, all));
}

AssembledPrompt PicturePrompt(const Pipeline& pipeline, const Request& request) {
  std::vector<EncodedPicture> pictures;
  for (size_t i = 0; i < request.images.size(); ++i) {
    pictures.push_back(pipeline.EncodePicture(request.images[i], HdNumOf(request, i), nullptr));
  }
  return pipeline.Assemble(pipeline.BuildPrompt(request), pictures);
}

}  // namespace

void Agreement::Add(const float* reference, const float* other, int64_t count) {
  const double reference_sum = LogSumExp({reference, static_cast<size_t>(count)});
  const double other_sum = LogSumExp({other, static_cast<size_t>(count)});
  double kl = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_sum;
    const double log_q = static_cast<double>(other[i]) - other_sum;
    kl += std::exp(log_p) * (log_p - log_q);
  }
  kl_sum += kl;
  same_top += std::max_element(reference, reference + count) - reference ==
              std::max_element(other, other + count) - other;
  ++positions;
}

void Recording::AddText(const Pipeline& pipeline, const std::vector<int32_t>& ids) {
  texts_.push_back({ids, TextLogits(pipeline, ids)});
}

void Recording::AddPicture(const Pipeline& pipeline, const Request& request) {
  Picture picture;
  picture.request = request;
  const AssembledPrompt prompt = PicturePrompt(pipeline, request);
  Sequence sequence = pipeline.NewSequence();
  Matrix logits = pipeline.Logits(pipeline.Prefill(prompt, sequence, {}));
  DecodeHooks hooks;
  hooks.on_token = [&](int32_t, std::span<const float> row) {
    picture.logits.emplace_back(row.begin(), row.end());
  };
  picture.answer =
      GenerateTokens(pipeline, prompt, std::move(logits), sequence, request.generation, hooks).ids;
  pictures_.push_back(std::move(picture));
}

Recording::Result Recording::Compare(const Pipeline& other,
                                     const std::function<void(double share)>& on_progress) const {
  Result result;
  size_t done = 0;
  const auto step = [&] {
    if (on_progress) on_progress(static_cast<double>(++done) / static_cast<double>(size()));
  };
  for (const Text& text : texts_) {
    const Matrix logits = TextLogits(other, text.ids);
    for (int64_t row = 0; row < logits.rows(); ++row) {
      result.agreement.Add(text.logits.Row(row), logits.Row(row), logits.cols());
    }
    step();
  }
  for (const Picture& picture : pictures_) {
    const AssembledPrompt prompt = PicturePrompt(other, picture.request);
    Sequence sequence = other.NewSequence();
    Matrix logits = other.Logits(other.Prefill(prompt, sequence, {}));
    Matrix first(1, logits.cols());
    std::copy_n(logits.data(), logits.cols(), first.data());
    Sequence forced = sequence.Fork();
    size_t at = 0;
    DecodeHooks hooks;
    hooks.on_token = [&](int32_t, std::span<const float> row) {
      result.agreement.Add(picture.logits[at++].data(), row.data(),
                           static_cast<int64_t>(row.size()));
    };
    ForceTokens(other, picture.answer, std::move(first), forced, hooks);
    const GeneratedTokens free =
        GenerateTokens(other, prompt, std::move(logits), sequence, picture.request.generation, {});
    result.unchanged += free.ids == picture.answer;
    result.answers += 1;
    step();
  }
  return result;
}

}  // namespace ixc
