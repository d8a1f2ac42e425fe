#!/usr/bin/env bash
# The original tool set's run_pa.sh, carried out by ixc.
#
#   run_pa.sh --precision   [--trust_remote_code] WEIGHTS IMAGES   answers -> predict_result.json
#   run_pa.sh --performance [--trust_remote_code] WEIGHTS IMAGES   -> internlmxcomposer2_performance.csv
#
# Both files lie beside this script, as they always did; OUTPUT_DIR says otherwise.
set -euo pipefail
script_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---- may be edited ----------------------------------------------------------------------------
LORA_ADAPTER_ID="internlmxc2"        # named in lora_adapter.json; ixc takes what that file names
TP_WORLD_SIZE=1                      # ixc is one process on all cores; other values change nothing
PERFORMANCE_MAX_BATCH_SIZE=1         # batch sizes 1 to this, one after the other
PERFORMANCE_MAX_OUTPUT_LENGTH=256
PRECISION_MAX_BATCH_SIZE=1
PROMPT="Please describe this image in detail."
IXC_OPTIONS=()                       # more options of ixc, for example (--scheme w8a8d --threads 8)
OUTPUT_DIR="${OUTPUT_DIR:-$script_dir}"
# -----------------------------------------------------------------------------------------------

usage() {
  cat <<END
usage: run_pa.sh --precision|--performance [--trust_remote_code] WEIGHTS IMAGES

--precision    describes every picture of the folder IMAGES, arg-max, at most 256 tokens
--performance  times the one picture in the folder IMAGES at $PERFORMANCE_MAX_OUTPUT_LENGTH tokens
--trust_remote_code
               is accepted and changes nothing: the original runs Python files that lie in the
               weight directory. ixc has the model's code built in and never runs anything that
               came with weights, so there is nothing to trust.

Batch sizes, lengths and the prompt stand at the top of $0.
The program is IXC_PROGRAM, else the one built here, else ixc on the path.
END
}

fail() { echo "error: $2" >&2; exit "$1"; }

find_program() {
  local root
  root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
  if [ -n "${IXC_PROGRAM:-}" ]; then echo "$IXC_PROGRAM"
  elif [ -x "$root/build/release/ixc" ]; then echo "$root/build/release/ixc"
  else command -v ixc || fail 1 "ixc is not built: run ./demo first, or set IXC_PROGRAM"; fi
}

# Keys, answers and times are the user's own: readable by nobody else, as in the original.
run_precision() {
  umask 077
  "$ixc" precision --images "$images" --output "$OUTPUT_DIR/predict_result.json" \
    --batch "$PRECISION_MAX_BATCH_SIZE" "${common[@]}"
}

run_performance() {
  "$ixc" performance --image "$images" --csv "$OUTPUT_DIR/internlmxcomposer2_performance.csv" \
    --batch "$(seq -s, 1 "$PERFORMANCE_MAX_BATCH_SIZE")" \
    --max-new-tokens "$PERFORMANCE_MAX_OUTPUT_LENGTH" "${common[@]}"
}

[ $# -gt 0 ] || fail 1 "wanted --precision or --performance, WEIGHTS and IMAGES; see run_pa.sh --help"
mode=$1
shift
case $mode in
  --precision | --performance) ;;
  -h | --help) usage; exit 0 ;;
  *) fail 2 "'$mode': the first word is --precision or --performance; see run_pa.sh --help" ;;
esac
if [ "${1:-}" = "--trust_remote_code" ]; then shift; fi
for word in "$@"; do
  case $word in -*) fail 2 "unknown option '$word'; see run_pa.sh --help" ;; esac
done
[ $# -eq 2 ] || fail 2 "wanted WEIGHTS and IMAGES after $mode, got $# words; see run_pa.sh --help"
weights=$1
images=$2
[ -d "$weights" ] || fail 1 "$weights: no such weight directory"
[ -e "$images" ] || fail 1 "$images: no such folder of pictures"

ixc=$(find_program)
echo "run option: $mode"
echo "model path: $weights"
echo "image path: $images"
if [ "$TP_WORLD_SIZE" != 1 ]; then
  echo "note: TP_WORLD_SIZE=$TP_WORLD_SIZE changes nothing, one process uses all cores" >&2
fi
if [ -f "$weights/lora_adapter.json" ] && ! grep -q "\"$LORA_ADAPTER_ID\"" "$weights/lora_adapter.json"; then
  echo "note: lora_adapter.json does not name LORA_ADAPTER_ID=$LORA_ADAPTER_ID" >&2
fi
common=(--model "$weights" --prompt "$PROMPT" "${IXC_OPTIONS[@]}")
case $mode in
  --precision) run_precision ;;
  --performance) run_performance ;;
esac
