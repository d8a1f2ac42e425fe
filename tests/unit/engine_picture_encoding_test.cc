#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "engine/picture_encoding.h"

namespace ixc {
namespace {

struct Case {
  const char* model;
  const char* picture;
  int hd_num;
};

void PrintTo(const Case& what, std::ostream* out) { *out << what.model; }

class PictureInPieces : public ::testing::TestWithParam<Case> {};

TEST_P(PictureInPieces, HasTheSameEmbeddings) {
  const std::string dir = std::string(IXC_SOURCE_DIR) + "/models/" + GetParam().model;
  const Image image = LoadImage(dir + "/examples/" + GetParam().picture);
  EngineOptions options;
  options.model_dir = dir;
  options.num_threads = 2;
  const std::unique_ptr<Pipeline> pipeline = Pipeline::Load(options);
  const Matrix expected = pipeline->EncodePicture(image, GetParam().hd_num, {}).embeds;
  for (double seconds : {0.0, 0.002, 10.0}) {
    PictureEncoding picture(image, GetParam().hd_num);
    int pieces = 0;
    while (!picture.is_done()) {
      ASSERT_EQ(picture.embeds(), nullptr);
      picture.Advance(*pipeline, seconds);
      ++pieces;
    }
    if (seconds == 0) {
      EXPECT_GT(pieces, pipeline->model().tower().num_layers());
    }
    if (seconds == 10) {
      EXPECT_EQ(pieces, 1);
    }
    const Matrix& found = *picture.embeds();
    ASSERT_EQ(found.rows(), expected.rows());
    ASSERT_EQ(found.cols(), expected.cols());
    EXPECT_TRUE(
        std::equal(found.data(), found.data() + found.rows() * found.cols(), expected.data()))
        << seconds;
    picture.Advance(*pipeline, 0);  // nothing is left to do
    EXPECT_EQ(picture.embeds().get(), &found);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PictureInPieces,
                         ::testing::Values(Case{"tiny-vl", "shapes_1.png", 0},
                                           Case{"tiny-4khd", "document_1.png", 9}),
                         [](const auto& test) { return std::string(test.param.model).substr(5); });

}  // namespace
}  // namespace ixc
