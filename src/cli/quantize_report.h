// The report of ixc quantize: what a scheme costs in accuracy, as JSON.
#pragma once

#include <functional>

#include "cli/options.h"
#include "eval/quantize.h"

namespace ixc {

// Loads the float directory, runs texts and pictures through it, then through the quantized one,
// and writes options.report_file:
//   {"scheme", "group", "bits_per_weight", "bytes", "source_bytes",
//    "calibration" and "texts": {"texts", "positions", "kl", "top1"},
//    "pictures": {"pictures", "positions", "kl", "top1", "unchanged"}}
// KL divergence in nats, means over positions; parts without material are left out.
void WriteQuantizeReport(const QuantizeCommandOptions& options, const QuantizeReport& quantized,
                         const std::function<void(const char* stage, double share)>& on_progress);

}  // namespace ixc
