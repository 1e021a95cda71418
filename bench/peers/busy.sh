#!/usr/bin/env bash
# A busy machine: BERT-base and ResNet-50 against ONNX Runtime, and a Llama that decodes against llama.cpp, in turns, on
# 2 threads, beside twice as many busy processes as there are CPUs.
#
#   busy.sh [ROUNDS]      default: 3
#
# Environment: LAYERS (16) and TYPE (Q8_0) of the Llama, THREADS (2), BUSY (processes; 0: a quiet machine), QUERN,
# QUERN_PEERS, QUERN_BENCH_MODELS. Writes build/bench/busy.json. Fails where quern takes more than 1.3 times as long.
set -euo pipefail
source "$(dirname "$0")/common.sh"
peers_or_skip
rounds=${1:-3} layers=${LAYERS:-16} type=${TYPE:-Q8_0} threads=${THREADS:-2} busy=${BUSY:-$((2 * $(nproc)))}
llama=llama-$layers-$type.gguf

in_peers python3 /mnt/quern/bench/peers/make_onnx.py /mnt/models bert_base resnet50 > /dev/null 2>&1
in_peers python3 /mnt/quern/bench/peers/make_llama.py /mnt/models --layers "$layers" --type "$type"
mkdir -p "$models/peer_output"
describe_cpu

loops=()
for ((i = 0; i < busy; ++i)); do
  (while :; do :; done) &
  loops+=($!)
done
trap 'kill "${loops[@]}" 2> /dev/null || true; rm -f "$samples"' EXIT

seconds() { awk "BEGIN { print $1 / 1000 }"; }

# run_quern MODEL RUNS
run_quern() {
  local inputs=() file
  for file in "$models/$1".*.npy; do
    file=${file##*/}
    inputs+=(--input "$(basename "${file#"$1".}" .npy)=$models/$file")
  done
  sample "$1, s" quern "$(seconds "$("$quern" run "$models/$1.onnx" "${inputs[@]}" --threads "$threads" --repeat "$2" \
    --json --output "$models/quern_output" | field median_ms)")"
}
run_peer() {
  sample "$1, s" peer "$(seconds "$(in_peers python3 /mnt/quern/bench/peers/onnx_runtime.py "/mnt/models/$1.onnx" "$2" \
    /mnt/models/peer_output/y.npy 2> /dev/null | tail -n 1 | field median_ms)")"
}
decode_quern() {
  sample "decode $type, tokens/s" quern "$("$quern" bench -m "$models/$llama" -p 16 -n 32 --threads "$threads" --json |
    field decode_tokens_per_second)"
}
decode_peer() {
  sample "decode $type, tokens/s" peer "$(in_peers llama-bench -m "/mnt/models/$llama" -t "$threads" -p 0 -n 32 -ngl 0 \
    -lm mmap -r 1 -o jsonl 2> /dev/null | grep '"n_gen": 32,' | field avg_ts)"
}

for ((round = 1; round <= rounds; ++round)); do
  sides=(quern peer)
  if ((round % 2 == 0)); then sides=(peer quern); fi
  for side in "${sides[@]}"; do "run_$side" bert_base 5; done
  for side in "${sides[@]}"; do "run_$side" resnet50 15; done
  for side in "${sides[@]}"; do "decode_$side"; done
  echo "round $round of $rounds done" >&2
done
echo "beside $busy busy processes, $threads threads"
report "$root/build/bench/busy.json"
for name in "bert_base, s" "resnet50, s" "decode $type, tokens/s"; do
  awk "BEGIN { exit $(ratio_of "$name") < 1 / 1.3 }" || { echo "$name: more than 1.3 times the peer's" >&2; failed=1; }
done
exit "${failed:-0}"
