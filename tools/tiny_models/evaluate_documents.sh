#!/usr/bin/env bash
# Measures tiny-4khd with the engine on unseen large pictures with small numbers: as it is, with one view
# only, with its separators zero, with the scale of wqkv's partial LoRA 1 instead of 2, and tiny-vl on the
# same pictures and questions.
#
# usage: evaluate_documents.sh IXC MODEL TINY_VL WORKDIR [number of pictures, default 600]
# PYTHON names the interpreter with requirements.txt installed (default: python3).
set -euo pipefail

if [ $# -lt 4 ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
ixc=$1 model=$2 tiny_vl=$3 work=$4 count=${5:-600}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

mkdir -p "$work"
"$python" "$here/make_eval.py" "$work/set" --documents "$count"
"$python" "$here/edit_checkpoint.py" --zero-separators "$model" "$work/zero-separators"
"$python" "$here/edit_checkpoint.py" --wqkv-scale-one "$model" "$work/wqkv-scale-one"
"$python" "$here/edit_checkpoint.py" --zero-plora "$model" "$work/zero-plora"

measure() {  # title, model, options of ixc describe
  local title=$1 folder=$2
  shift 2
  local answers=$work/answers-${title// /-}.jsonl
  "$ixc" describe --model "$folder" --batch "$work/set/batch.jsonl" --output "$answers" "$@"
  echo "== $title"
  "$python" "$here/score.py" "$work/set/batch.jsonl" "$answers" || true
}

measure "tiny-vl" "$tiny_vl"
measure "one view" "$model" --hd-num 1
measure "separators zero" "$work/zero-separators"
measure "wqkv scale 1" "$work/wqkv-scale-one"
measure "partial LoRA zero" "$work/zero-plora"
measure "as it is" "$model"
