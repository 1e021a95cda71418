#!/usr/bin/env bash
# Time of ONNX models against ONNX Runtime's, in turns, on 2 threads at batch 1; their outputs are compared first.
#
#   bench/peers/onnx.sh [ROUNDS] [MODEL...]    default: 3 rounds over every model of make_onnx.py
#
# Rows "MODEL f32, s", "MODEL bf16, s" (against ONNX Runtime's f32) and "MODEL load, s" in build/bench/onnx.json.
set -euo pipefail
source "$(dirname "$0")/common.sh"
peers_or_skip
rounds=${1:-3}
shift || true
names=("$@")
repeat=9
if [ ${#names[@]} = 0 ]; then
  names=(resnet50 mobilenet_v2 efficientnet_b0 bert_base vit_b_16 detector whisper_tiny_encoder)
fi
describe_cpu
in_peers python3 /mnt/quern/bench/peers/make_onnx.py /mnt/models "${names[@]}" >/dev/null 2>&1

# run_quern MODEL OUTPUT OPTION...: JSON of the times.
run_quern() {
  local name=$1 output=$2 inputs=() file
  shift 2
  for file in "$models/$name".*.npy; do
    file=${file##*/}
    inputs+=(--input "$(basename "${file#"$name".}" .npy)=$models/$file")
  done
  "${ahead[@]}" "$quern" run "$models/$name.onnx" "${inputs[@]}" --threads 2 --repeat "$repeat" --json --output "$output" "$@"
}

run_peer() {
  in_peers "${ahead[@]}" \
    python3 /mnt/quern/bench/peers/onnx_runtime.py "/mnt/models/$1.onnx" "$repeat" /mnt/models/peer_output/y.npy 2>/dev/null | tail -n 1
}

seconds() { awk "BEGIN { print $1 / 1000 }"; }

mkdir -p "$models/peer_output"
for ((round = 0; round < rounds; ++round)); do
  for name in "${names[@]}"; do
    peer=$(run_peer "$name")
    for precision in f32 bf16; do
      limit=1e-4 option=()
      if [ "$precision" = bf16 ]; then limit=0.05 option=(--bf16); fi
      ours=$(run_quern "$name" "$models/quern_output" "${option[@]}")
      error=$(in_peers python3 /mnt/quern/bench/peers/compare_npy.py /mnt/models/quern_output/y.npy /mnt/models/peer_output/y.npy "$limit") ||
        { echo "$name $precision: output differs by $error of its range" >&2; exit 1; }
      sample "$name $precision, s" quern "$(seconds "$(field median_ms <<<"$ours")")"
      sample "$name $precision, s" peer "$(seconds "$(field median_ms <<<"$peer")")"
      if [ "$precision" = f32 ]; then
        sample "$name load, s" quern "$(seconds "$(field load_ms <<<"$ours")")"
        sample "$name load, s" peer "$(seconds "$(field load_ms <<<"$peer")")"
      fi
    done
  done
done
echo "ONNX Runtime $(sed -nE 's/.*"version": *"([^"]+)".*/\1/p' <<<"$peer")"
report "$root/build/bench/onnx.json"
