// ixc compress: a w8a8s directory in the compressed form, w8a8sc.
#include "quant/compress.h"

#include <fmt/format.h>

#include "base/json.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

namespace ixc {

int Run(const CompressCommandOptions& options) {
  CatchInterrupts();
  Progress progress;
  const CompressReport report =
      CompressDirectory(options.source, options.destination, options.num_ranks, [&](double share) {
        ThrowIfInterrupted();
        progress.Update("compressing", share);
      });
  progress.Clear();
  const double bits =
      8.0 * static_cast<double>(report.compressed_bytes) / static_cast<double>(report.num_weights);
  if (options.json) {
    const Json json = {{"parts", options.num_ranks},
                       {"weights", report.num_weights},
                       {"compressed_bytes", report.compressed_bytes},
                       {"bits_per_weight", bits},
                       {"bytes", report.num_bytes}};
    fmt::print("{}\n", ToText(json));
  } else {
    fmt::print("{:.1f} M weights, {:.2f} bits each ({:.3f} of int8); {:.1f} MB in {} part{}\n",
               static_cast<double>(report.num_weights) / 1e6, bits, bits / 8.0,
               static_cast<double>(report.num_bytes) / 1e6, options.num_ranks,
               options.num_ranks == 1 ? "" : "s");
  }
  return 0;
}

}  // namespace ixc
