#!/usr/bin/env bash
# From a fresh Debian 12 (as root) to a story: installs what is missing, builds the library and the
# program, and lets the model that ships here write.
#
#   examples/quickstart.sh [PROMPT]
set -euo pipefail
cd "$(dirname "$0")/.."
prompt=${1:-Once upon a time}

echo "== what is missing"
cmake/debian-packages.sh build
echo "== build the library and the program"
options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
if [ ! -e build/release/CMakeCache.txt ]; then
  options+=(-DQUERN_BUILD_TESTS=OFF -DQUERN_BUILD_EXAMPLES=OFF
            -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16)  # half the time
fi
cmake --preset release "${options[@]}" >/dev/null
cmake --build --preset release --target quern_cli
echo "== a story"
exec build/release/bin/quern generate -m examples/models/storyteller-q8_0.gguf -p "$prompt" -n 200
