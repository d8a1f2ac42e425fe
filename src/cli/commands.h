// The commands. Each returns the exit code: 0 done, 1 something failed.
#pragma once

#include "cli/options.h"

namespace ixc {

int Run(const DescribeOptions& options);
int Run(const ChatOptions& options);
int Run(const TraceOptions& options);
int Run(const InspectOptions& options);
int Run(const ConvertCommandOptions& options);
int Run(const QuantizeCommandOptions& options);
int Run(const CompressCommandOptions& options);
int Run(const BenchOptions& options);
int Run(const PerformanceOptions& options);
int Run(const PrecisionOptions& options);
int Run(const ClipScoreOptions& options);
int Run(const ServeOptions& options);
int Run(const BenchServeOptions& options);
inline int Run(const TokenizeOptions& options) { return RunTokenize(options); }

}  // namespace ixc
