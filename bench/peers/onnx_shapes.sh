#!/usr/bin/env bash
# Resident memory of a process that feeds one ONNX model COUNT different shapes, beside ONNX Runtime's.
#
#   bench/peers/onnx_shapes.sh [COUNT]    default: 10000
#
# Small and large shapes come by turns, so that what grows is kept and not needed. Rows "after N shapes, MB" in
# build/bench/onnx_shapes.json; the peer's is less what its interpreter holds at first.
set -euo pipefail
source "$(dirname "$0")/common.sh"
peers_or_skip
count=${1:-10000}
ours=${QUERN_PLAN_MEMORY_BENCH:-$root/build/release/bench/plan_memory_bench}
describe_cpu
in_peers python3 /mnt/quern/bench/peers/onnx_shapes.py /mnt/models/any_size.onnx 0 >/dev/null 2>&1
while read -r shapes megabytes; do
  sample "after $shapes shapes, MB" quern "$megabytes"
done < <("${ahead[@]}" "$ours" "$models/any_size.onnx" "$count")
while read -r shapes megabytes; do
  sample "after $shapes shapes, MB" peer "$megabytes"
done < <(in_peers "${ahead[@]}" python3 /mnt/quern/bench/peers/onnx_shapes.py /mnt/models/any_size.onnx "$count" 2>/dev/null)
report "$root/build/bench/onnx_shapes.json"
