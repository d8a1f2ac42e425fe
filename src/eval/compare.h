// How far a model (a quantized one) is from another (the float one that it was made of), position
// by position: KL divergence of its next-token distribution from the other's and whether the most
// probable token stays; and for pictures whether the greedy answer stays word for word.
//
// The two are never in memory together: first the reference is recorded, then the other compared.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/pipeline.h"

namespace ixc {

struct Agreement {
  int64_t positions = 0;
  double kl_sum = 0;     // nats
  int64_t same_top = 0;  // positions with the same most probable token

  // Logits of one position, `count` each.
  void Add(const float* reference, const float* other, int64_t count);
  double MeanKl() const { return kl_sum / static_cast<double>(positions); }
  double TopShare() const { return static_cast<double>(same_top) / static_cast<double>(positions); }
};

// What the reference said: logits of every position of a text, or of every step of its greedy
// answer to a question about a picture.
class Recording {
 public:
  void AddText(const Pipeline& pipeline, const std::vector<int32_t>& ids);
  void AddPicture(const Pipeline& pipeline, const Request& request);

  struct Result {
    Agreement agreement;
    int64_t answers = 0;    // about pictures
    int64_t unchanged = 0;  // of them
  };
  // Runs the same through another model; on_progress may be empty.
  Result Compare(const Pipeline& other, const std::function<void(double share)>& on_progress) const;

  size_t size() const { return texts_.size() + pictures_.size(); }

 private:
  struct Text {
    std::vector<int32_t> ids;
    Matrix logits;  // [ids, vocabulary]
  };
  struct Picture {
    Request request;
    std::vector<int32_t> answer;
    std::vector<std::vector<float>> logits;  // [answer][vocabulary]
  };
  std::vector<Text> texts_;
  std::vector<Picture> pictures_;
};

}  // namespace ixc
