#!/usr/bin/env bash
# Runs every kernel test with the AVX-512 rows really executed: natively where the processor has
# AVX-512, else on an emulated one. Fails if any test fails or was skipped.
#
# usage: tests/emulation/run.sh BUILD_DIR
# Exit code 77: the emulator is not there and could not be installed (no network, as a rule).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:?usage: run.sh BUILD_DIR}
log=$build/kernels_on_avx512.log

cmake --build "$build" --target ixc_kernel_tests_static -- -j2 >"$log" 2>&1 || { cat "$log"; exit 1; }
binary=$(find "$build" -name ixc_kernel_tests_static -type f | head -1)

runner=()
if ! grep -qw avx512f /proc/cpuinfo || ! grep -qw avx512vl /proc/cpuinfo; then
  export EMULATION_DIR=$root/.emulation
  if [ ! -e "$EMULATION_DIR/ready" ]; then
    "$root/tests/emulation/setup.sh" "$EMULATION_DIR" || { echo "the emulator could not be installed"; exit 77; }
    touch "$EMULATION_DIR/ready"
  fi
  # About 80 MFLOP/s: the tests cut their grids of shapes.
  export IXC_SMALL_GRID=1
  runner=("$root/tests/emulation/run_avx512")
fi

"${runner[@]}" "$binary" --gtest_filter="-*_scalar:*_avx2" >"$log" 2>&1 || { cat "$log"; exit 1; }
cat "$log"
if grep -q SKIPPED "$log" || ! grep -q PASSED "$log"; then
  echo "a kernel row was not run"
  exit 1
fi
