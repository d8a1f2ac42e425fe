#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a while, on top of what earlier runs have found.
# usage: tests/fuzz/run.sh [SECONDS_PER_TARGET (60)] [TARGET...]
# RUNS=N ends a target after N executions, if that is earlier. Found inputs and grown corpora stay in
# build-fuzz/; exit code 1 when something was found. Ends with a table: executions, edges that they
# covered of all that the target has, features, inputs in the corpus, seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
build=build-fuzz
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_COMPILER="${CXX:-clang++-14}" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DIXC_BUILD_FUZZERS=ON \
  -DIXC_SANITIZE=address,undefined -DIXC_BUILD_TESTS=OFF >/dev/null
ninja -C "$build" -j "${JOBS:-$(nproc)}" ixc_fuzzers

if [ $# -eq 0 ]; then
  for source in tests/fuzz/fuzz_*.cc; do set -- "$@" "$(basename "$source" .cc)"; done
fi
failed=0
table="$build/table.txt"
printf '%-22s %12s %8s %8s %10s %8s %8s\n' target executions edges of features corpus seconds >"$table"
for target in "$@"; do
  corpus="$build/corpus/$target"
  log="$build/$target.log"
  mkdir -p "$corpus"
  inputs=("$corpus")
  seeds="tests/fuzz/seeds/${target#fuzz_}"
  if [ -d "$seeds" ]; then inputs+=("$seeds"); fi
  dictionary="tests/fuzz/${target#fuzz_}.dict"
  options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192
    -print_final_stats=1 -artifact_prefix="$build/$target-")
  if [ -n "${RUNS:-}" ]; then options+=(-runs="$RUNS"); fi
  if [ -f "$dictionary" ]; then options+=(-dict="$dictionary"); fi
  begin=$SECONDS
  if ! "$build/tests/fuzz/$target" "${options[@]}" "${inputs[@]}" >"$log" 2>&1; then
    failed=1
    echo "error: $target found something; log in $log, inputs in $build/$target-*" >&2
    grep -v '^#' "$log" | tail -n 60 >&2
  fi
  last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -n 1)
  field() { sed -nE "s/.* $1: ([0-9]+).*/\1/p" <<<"$last"; }
  printf '%-22s %12s %8s %8s %10s %8s %8s\n' "$target" \
    "$(sed -nE 's/^stat::number_of_executed_units: ([0-9]+)/\1/p' "$log")" "$(field cov)" \
    "$(sed -nE 's/.*Loaded 1 modules +\(([0-9]+) inline.*/\1/p' "$log")" "$(field ft)" \
    "$(find "$corpus" -type f | wc -l)" $((SECONDS - begin)) | tee -a "$table"
done
exit "$failed"
