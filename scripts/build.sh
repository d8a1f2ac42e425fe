#!/usr/bin/env bash
# Configures and builds: scripts/build.sh PRESET [TARGET...]. The output is shown only when something
# goes wrong, or with VERBOSE=1.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
log=build/$preset/build.log
mkdir -p "build/$preset"
options=(-DIXC_WERROR="${IXC_WERROR:-OFF}")
run() {
  if [ -n "${VERBOSE:-}" ]; then "$@"; else "$@" >>"$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }; fi
}
: >"$log"
[ -n "${QUIET:-}" ] || echo "building ($preset; log in $log)" >&2
run cmake --preset "$preset" "${options[@]}"
targets=()
for target in "$@"; do targets+=(--target "$target"); done
run cmake --build "build/$preset" "${targets[@]}"
