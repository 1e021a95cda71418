#!/usr/bin/env bash
# Time of ONNX models against ONNX Runtime's, in turns, on 2 threads at batch 1; their outputs are compared first.
#
#   bench/peers/onnx.sh [--isa NAME] [ROUNDS] [MODEL...]    default: 3 rounds over every model of make_onnx.py
#
# --isa caps our side's instruction set (avx2); the peer has none to cap, and takes all that the CPU has.
#
# Rows "MODEL f32, s", "MODEL bf16, s" (against ONNX Runtime's f32), "MODEL load, s" and "MODEL peak, MB" in
# build/bench/onnx.json; "MODEL, s" of the models in int8, which make_int8.py names. A peak is that of the process, the
# peer's less what its interpreter holds before it loads ONNX Runtime. Rows "MODEL newest, s" are against the newest ONNX
# Runtime that npm has, where there is npm (installed in build/bench/npm). A model whose output differs from the peer's
# is named, its row left out, and the exit code 1.
set -euo pipefail
source "$(dirname "$0")/common.sh"
peers_or_skip
capped=()
if [ "${1:-}" = --isa ]; then capped=(--isa "${2:?}"); shift 2; fi
rounds=${1:-3}
shift || true
names=("$@")
# Half a second or more of runs, after which the machine's clock and caches have settled.
repeats_of() {
  case $1 in
    resnet50*) echo 21 ;;
    resnet18 | conv_tasnet) echo 41 ;;
    mobilenet* | efficientnet* | shufflenet* | detector | lstm_tagger) echo 101 ;;
    gpt2_step) echo 301 ;;
    *) echo 9 ;;
  esac
}
given=${QUERN_TEST_DATA:-$root/../shared}/onnx/models
if [ ${#names[@]} = 0 ]; then
  names=(resnet18 convnext_tiny swin_t deeplabv3 conv_tasnet lstm_tagger gpt2_step resnet50 mobilenet_v2 efficientnet_b0 bert_base vit_b_16 detector whisper_tiny_encoder
    mobilenet_v2_int8 shufflenet_v2_int8 resnet50_int8)
fi
describe_cpu
floats=() bytes=()
for name in "${names[@]}"; do
  if [[ $name = *_int8 ]]; then bytes+=("$name"); else floats+=("$name"); fi
done
if [ ${#floats[@]} != 0 ]; then
  in_peers python3 /mnt/quern/bench/peers/make_onnx.py /mnt/models "${floats[@]}" >/dev/null 2>&1
fi
if [ ${#bytes[@]} != 0 ]; then
  mkdir -p "$models/given"
  cp "$given/mobilenetv2-qdq-int8/model.onnx" "$models/given/mobilenet_v2_int8.onnx"
  cp "$given/shufflenet-int8/shufflenet-v2-12-int8.onnx" "$models/given/shufflenet_v2_int8.onnx"
  in_peers python3 /mnt/quern/bench/peers/make_onnx.py /mnt/models resnet50 >/dev/null 2>&1
  in_peers python3 /mnt/quern/bench/peers/make_int8.py /mnt/models "${bytes[@]}" >/dev/null 2>&1
fi

# run_quern MODEL OUTPUT OPTION...: JSON of the times.
run_quern() {
  local name=$1 output=$2 inputs=() file
  shift 2
  for file in "$models/$name".*.npy; do
    file=${file##*/}
    inputs+=(--input "$(basename "${file#"$name".}" .npy)=$models/$file")
  done
  "${ahead[@]}" "$quern" run "$models/$name.onnx" "${inputs[@]}" --threads 2 --repeat "$(repeats_of "$name")" --json --output "$output" "${capped[@]}" "$@"
}

run_peer() {
  in_peers "${ahead[@]}" \
    python3 /mnt/quern/bench/peers/onnx_runtime.py "/mnt/models/$1.onnx" "$(repeats_of "$1")" /mnt/models/peer_output/y.npy 2>/dev/null | tail -n 1
}

npm=$root/build/bench/npm
if command -v npm >/dev/null && [ ! -e "$npm/node_modules/onnxruntime-node" ]; then
  mkdir -p "$npm"
  npm install --prefix "$npm" --ignore-scripts --no-audit --no-fund onnxruntime-node >/dev/null 2>&1 ||
    echo "npm does not give onnxruntime-node: rows \"newest\" are left out" >&2
fi

# sample_newest MODEL LIMIT PRECISION SECONDS: a row of ours against the ONNX Runtime of npm.
sample_newest() {
  [ -e "$npm/node_modules/onnxruntime-node" ] || return 0
  newest=$(NODE_PATH=$npm/node_modules "${ahead[@]}" \
    node "$root/bench/peers/onnx_runtime_node.js" "$models/$1.onnx" "$(repeats_of "$1")" "$models/peer_output/y.npy")
  check "$1" "$2" "$3" || return 0
  sample "$1 newest, s" quern "$4"
  sample "$1 newest, s" peer "$(seconds "$(field median_ms <<<"$newest")")"
}

seconds() { awk "BEGIN { print $1 / 1000 }"; }
megabytes() { awk "BEGIN { print $1 / 1e6 }"; }

# check MODEL LIMIT PRECISION: fails, and says so, where the outputs differ by more than LIMIT of their range.
differing=()
check() {
  local error
  if error=$(in_peers python3 /mnt/quern/bench/peers/compare_npy.py /mnt/models/quern_output/y.npy /mnt/models/peer_output/y.npy "$2" 2>&1); then
    return 0
  fi
  differing+=("$1 $3: output differs by $error of its range")
  return 1
}

mkdir -p "$models/peer_output"
for ((round = 0; round < rounds; ++round)); do
  for name in "${names[@]}"; do
    peer=$(run_peer "$name")
    if [[ $name = *_int8 ]]; then
      ours=$(run_quern "$name" "$models/quern_output")
      check "$name" 0.05 int8 || continue  # a sum that rounds the other way is one step of the result's scale
      sample "$name, s" quern "$(seconds "$(field median_ms <<<"$ours")")"
      sample "$name, s" peer "$(seconds "$(field median_ms <<<"$peer")")"
      sample_newest "$name" 0.05 int8 "$(seconds "$(field median_ms <<<"$ours")")"
      continue
    fi
    for precision in f32 bf16; do
      limit=1e-4 option=()
      if [ "$precision" = bf16 ]; then limit=0.05 option=(--bf16); fi
      ours=$(run_quern "$name" "$models/quern_output" "${option[@]}")
      check "$name" "$limit" "$precision" || continue
      sample "$name $precision, s" quern "$(seconds "$(field median_ms <<<"$ours")")"
      sample "$name $precision, s" peer "$(seconds "$(field median_ms <<<"$peer")")"
      if [ "$precision" = f32 ]; then
        sample "$name load, s" quern "$(seconds "$(field load_ms <<<"$ours")")"
        sample "$name load, s" peer "$(seconds "$(field load_ms <<<"$peer")")"
        sample "$name peak, MB" quern "$(megabytes "$(field peak_bytes <<<"$ours")")"
        sample "$name peak, MB" peer "$(megabytes "$(field peak_bytes <<<"$peer")")"
        sample_newest "$name" "$limit" f32 "$(seconds "$(field median_ms <<<"$ours")")"
      fi
    done
  done
done
version_in() { sed -nE 's/.*"version": *"([^"]+)".*/\1/p' <<<"$1"; }
echo "ONNX Runtime $(version_in "$peer"); of npm: $(version_in "${newest:-}")"
report "$root/build/bench/onnx.json"
if [ ${#differing[@]} != 0 ]; then
  printf '%s\n' "${differing[@]}" | sort | uniq -c >&2
  exit 1
fi
