// Plots, reports of the CLIP judge, and the list of a folder's pictures.
#include <gtest/gtest.h>

#include "base/json.h"
#include "eval/clip_report.h"
#include "eval/picture_folder.h"
#include "eval/svg_plot.h"
#include "image/decode.h"
#include "image/write_png.h"
#include "unit/temp_dir.h"

namespace ixc {
namespace {

ClipReport TwoFiles() {
  ClipReport report;
  report.judge = "tiny";
  report.files = {"a.json", "b<1>.json"};
  report.pictures = {{"one, \"1\".png", "p1", {"x", "y"}, {0.5, 0.25}},
                     {"two.png", "p2", {"x & y", "z"}, {0.5, 0.875}},
                     {"three.png", "p3", {"", ""}, {0.25, 0.25}}};
  return report;
}

TEST(ClipReport, JsonOfTwoFiles) {
  const Json json = ParseJson(ReportJson(TwoFiles()), "report");
  EXPECT_EQ(json["count"], 3);
  EXPECT_NEAR(json["a"]["mean"].get<double>(), 1.25 / 3, 1e-12);
  EXPECT_EQ(json["b"]["scores"]["two.png"], 0.875);
  EXPECT_NEAR(json["difference"]["mean"].get<double>(), -0.125 / 3, 1e-12);
  EXPECT_LT(json["difference"]["interval_95"][0], json["difference"]["interval_95"][1]);
}

TEST(ClipReport, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(ReportCsv(TwoFiles()),
            "image,score_a,score_b,difference\n"
            "\"one, \"\"1\"\".png\",0.500000000,0.250000000,0.250000000\n"
            "two.png,0.500000000,0.875000000,-0.375000000\n"
            "three.png,0.250000000,0.250000000,0.000000000\n");
}

TEST(ClipReport, MostStrikingFirst) {
  ClipReport report = TwoFiles();
  EXPECT_EQ(report.MostStriking(2)[0]->key, "two.png");
  EXPECT_EQ(report.MostStriking(9).size(), 3u);
  report.files.pop_back();
  EXPECT_EQ(report.MostStriking(1)[0]->key, "three.png");  // the lowest score
}

TEST(ClipReport, HtmlStandsAlone) {
  const std::string html =
      ReportHtml(TwoFiles(), [](const std::string&) { return Image(400, 30); });
  EXPECT_PRED2(Contains, html, "x &amp; y");
  EXPECT_PRED2(Contains, html, "b&lt;1&gt;.json");
  EXPECT_PRED2(Contains, html, "data:image/png;base64,iVBORw0KGgo");
  EXPECT_PRED2(Contains, html, "<svg");
  EXPECT_EQ(html.find("src=\"http"), html.npos);
  EXPECT_EQ(html.find("href="), html.npos);
}

TEST(ThumbnailUri, IsAPngOfTheRightSize) {
  Image image(300, 90);
  std::fill(image.rgb.begin(), image.rgb.end(), uint8_t{77});
  const std::string uri = ThumbnailUri(image, 100);
  const std::string base64 = uri.substr(uri.find(',') + 1);
  EXPECT_EQ(base64.size() % 4, 0u);
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (char c : base64) {
    const size_t value =
        std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
            .find(c);
    if (value == std::string_view::npos) break;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) bytes += static_cast<char>(group >> (bits -= 8) & 255);
  }
  const Image small = DecodeImage(std::as_bytes(std::span(bytes)), "thumbnail");
  EXPECT_EQ(small.width, 100);
  EXPECT_EQ(small.height, 30);
  EXPECT_EQ(small.rgb[100], 77);
}

TEST(PlotSvg, AxesHoldAllPointsWithRoundTicks) {
  Plot plot;
  plot.title = "a < b";
  plot.series = {{"line", {{1, 0.5}, {2, 9.7}}, true}, {"dots", {{1.5, 3}}, false}};
  plot.from_zero = true;
  const std::string svg = PlotSvg(plot);
  EXPECT_PRED2(Contains, svg, "a &lt; b");
  EXPECT_PRED2(Contains, svg, ">0</text>");
  EXPECT_PRED2(Contains, svg, ">10</text>");
  EXPECT_EQ(svg.find("nan"), svg.npos);
  EXPECT_EQ(PlotSvg({}).find("nan"), std::string::npos);
}

TEST(PictureFolder, LooksAtTheContentAndSorts) {
  const TempDir folder;
  WritePng((folder.path() / "b.dat").string(), Image(2, 2));
  WritePng((folder.path() / "a.png").string(), Image(2, 2));
  WritePng((folder.path() / ".hidden.png").string(), Image(2, 2));
  folder.Write("c.png", "text");
  folder.Write("empty.jpg", "");
  std::filesystem::create_directory(folder.path() / "sub");
  const PictureFolder pictures = ListPictures(folder.path());
  const auto real = std::filesystem::canonical(folder.path());
  EXPECT_EQ(pictures.pictures,
            (std::vector<std::filesystem::path>{real / "a.png", real / "b.dat"}));
  EXPECT_EQ(pictures.skipped.size(), 3u);
  EXPECT_PRED2(Contains, ErrorOf([&] { ListPictures(folder.path() / "none"); }), "none");
}

}  // namespace
}  // namespace ixc
