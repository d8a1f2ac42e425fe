#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a while.
# usage: tests/fuzz/run.sh [SECONDS_PER_TARGET (60)] [TARGET...]
# Found inputs and grown corpora stay in build-fuzz/; exit code 1 when something was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
build=build-fuzz
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_COMPILER="${CXX:-clang++-14}" -DIXC_BUILD_FUZZERS=ON \
  -DIXC_SANITIZE=address,undefined -DIXC_BUILD_TESTS=OFF >/dev/null
ninja -C "$build" -j "${JOBS:-$(nproc)}" ixc_fuzzers

if [ $# -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cc; do set -- "$@" "$(basename "$source" .cc)"; done
fi
failed=0
for target in "$@"; do
  corpus="$build/corpus/$target"
  mkdir -p "$corpus"
  inputs=("$corpus")
  seeds="tests/fuzz/seeds/${target#fuzz_}"
  if [ -d "$seeds" ]; then inputs+=("$seeds"); fi
  echo "== $target, $seconds s"
  "$build/tests/fuzz/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=8192 -verbosity=0 -artifact_prefix="$build/$target-" "${inputs[@]}" || failed=1
done
exit "$failed"
