#!/usr/bin/env bash
# Installs the Debian 12 packages that ixc is built from. Safe to run again: does nothing when all
# of them are there. `--fuzz` adds clang with its sanitizer runtime, formatter and linter, `--browser`
# what the tests of the web page need.
set -euo pipefail
packages=(
  g++ cmake ninja-build ccache pkg-config python3 python3-venv
  nlohmann-json3-dev libsentencepiece-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev
  libcli11-dev libspdlog-dev libfmt-dev libxxhash-dev libicu-dev zlib1g-dev libedit-dev libssl-dev
  libgtest-dev libboost-dev libcurl4-openssl-dev
  python3-numpy  # tests of tools/
)
for option in "$@"; do
  case $option in
    --fuzz) packages+=(clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14) ;;
    --browser) packages+=(chromium chromium-driver) ;;
    *) echo "error: unknown option $option" >&2; exit 2 ;;
  esac
done
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
echo "installing: ${missing[*]}"
sudo=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "error: run as root, or install sudo; wanted packages: ${missing[*]}" >&2; exit 1; }
  sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
