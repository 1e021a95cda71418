#!/usr/bin/env bash
# ops::matmul against the oneDNN primitive called directly, over shapes/matmul.txt: builds, measures, prints a table,
# writes build/bench/matmul.json. Fails where a shape costs more than 5 % and more than 3 us over the primitive.
#
#   matmul.sh [--shapes=FILE] [--benchmark_filter=REGEX] [Google Benchmark's options]
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release -DQUERN_BUILD_BENCH=ON > /dev/null
cmake --build build/release --target matmul_bench --parallel 2 > /dev/null
mkdir -p build/bench
ahead=(chrt --rr 1)
"${ahead[@]}" true 2>/dev/null || ahead=()
"${ahead[@]}" build/release/bench/matmul_bench --json=build/bench/matmul.json "$@"
