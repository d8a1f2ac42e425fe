// The part of `ixc inspect` that is about one picture.
#pragma once

#include "base/json.h"
#include "cli/options.h"
#include "formats/weight_directory.h"
#include "model/census.h"
#include "model/picture_plan.h"

namespace ixc {

// What the picture becomes, and what a question about it will take on this machine.
struct PictureForecast {
  PicturePlan plan;
  int64_t text_tokens = 0;  // of the default question and what stands around it
  int64_t prompt_limit = 0;
  MemoryPlan memory;
  double machine_operations = 0;  // a second, measured
  double machine_bytes = 0;
  double vision_seconds = 0;
  double prefill_seconds = 0;
  double decode_tokens_per_second = 0;

  int64_t prompt_tokens() const { return text_tokens + plan.image_tokens; }
};

// Decodes the picture, writes the drawing if one is asked for, and measures the machine for about
// a second.
PictureForecast ForecastPicture(const InspectOptions& options, const WeightDirectory& weights,
                                const Census& census);

Json ToJson(const PictureForecast& forecast);
void Print(const PictureForecast& forecast, const std::string& question);

}  // namespace ixc
