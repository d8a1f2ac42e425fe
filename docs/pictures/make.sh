#!/usr/bin/env bash
# Draws the pictures of docs/pictures-to-tokens.md. usage: docs/pictures/make.sh IXC
set -euo pipefail
ixc=$(realpath "$1")
cd "$(dirname "$0")/../.."
"$ixc" inspect models/tiny-vl --image models/tiny-4khd/examples/number_1.png --draw docs/pictures/vl.png > /dev/null
"$ixc" inspect models/tiny-4khd --image models/tiny-4khd/examples/number_1.png --hd-num 12 \
  --draw docs/pictures/4khd.png > /dev/null
