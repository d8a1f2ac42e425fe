#!/usr/bin/env bash
# The peers from PyPI, in an environment of their own: setup.sh FOLDER [--torch]
# llama.cpp comes in the wheel of cyllama. PyTorch is optional because its only wheel on PyPI brings
# CUDA along, several gigabytes of it; an environment that has it already can be named to compare.py.
set -euo pipefail
folder=${1:?usage: setup.sh FOLDER [--torch]}
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --upgrade pip
"$folder/bin/pip" install --quiet numpy gguf cyllama openvino
if [ "${2:-}" = --torch ]; then "$folder/bin/pip" install --quiet torch; fi
"$folder/bin/pip" list 2>/dev/null | grep -iE '^(cyllama|gguf|numpy|openvino|torch) '
