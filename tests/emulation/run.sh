#!/usr/bin/env bash
# Runs every kernel test with the AVX-512 and AMX rows really executed: AVX-512 natively where the
# processor has it, else on an emulated one; AMX natively or by the trap that is built into the
# program. Fails if any test fails or was skipped, or if no AMX instruction was performed.
#
# usage: tests/emulation/run.sh BUILD_DIR
# Exit code 77: the emulator is not there and could not be installed (no network, as a rule).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:?usage: run.sh BUILD_DIR}
log=$build/kernels_on_avx512_and_amx.log

cmake --build "$build" --target ixc_kernel_tests_static -- -j2 >"$log" 2>&1 || { cat "$log"; exit 1; }
binary=$(find "$build" -name ixc_kernel_tests_static -type f | head -1)

runner=()
if ! grep -qw avx512_vnni /proc/cpuinfo || ! grep -qw avx512vl /proc/cpuinfo; then
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
if ! grep -q "OK.*_amx" "$log" || ! grep -Eq "^AMX: (the processor's own|[1-9])" "$log"; then
  echo "the AMX rows were not run"
  exit 1
fi
