#!/usr/bin/env bash
# Measures a model folder with the engine: makes the evaluation set, lets `ixc` answer it with the model
# and with a copy whose partial LoRA is without effect, and prints the figures beside their bars.
#
# usage: evaluate.sh IXC MODEL WORKDIR [make_eval.py options, e.g. --full]
# PYTHON names the interpreter with requirements.txt installed (default: python3).
set -euo pipefail

if [ $# -lt 3 ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
ixc=$1 model=$2 work=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

mkdir -p "$work"
"$python" "$here/make_eval.py" "$work/set" "$@"
"$python" "$here/edit_checkpoint.py" --zero-plora "$model" "$work/without-plora"
"$ixc" describe --model "$model" --batch "$work/set/batch.jsonl" --output "$work/answers.jsonl"
"$ixc" describe --model "$work/without-plora" --batch "$work/set/batch.jsonl" \
  --output "$work/answers-without-plora.jsonl"

echo "== partial LoRA removed"
"$python" "$here/score.py" "$work/set/batch.jsonl" "$work/answers-without-plora.jsonl" || true
echo "== the model as it is"
"$python" "$here/score.py" "$work/set/batch.jsonl" "$work/answers.jsonl" \
  --without-plora "$work/answers-without-plora.jsonl"
