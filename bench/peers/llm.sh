#!/usr/bin/env bash
# Language models against llama.cpp: random-weight Llamas of 1.1 billion parameters on 2 threads, a prompt of 512
# tokens, 64 tokens decoded after an empty prompt, and the time from the start of the program to its first token.
#
#   llm.sh [TYPE...]      default: BF16 Q8_0 Q4_0 Q4_K_M
#
# Environment: ROUNDS (5), LAYERS (16; fewer for a quick look), THREADS (2), QUERN (the program), QUERN_PEERS (the
# chroot), QUERN_BENCH_MODELS (where the models are kept, 5 GB). Writes build/bench/llm.json.
set -euo pipefail
source "$(dirname "$0")/common.sh"
rounds=${ROUNDS:-5} layers=${LAYERS:-16} threads=${THREADS:-2}
types=("$@")
[ $# -gt 0 ] || types=(BF16 Q8_0 Q4_0 Q4_K_M)

file_of() { echo "llama-$layers-$1.gguf"; }

measure_peer() {
  local file=/mnt/models/$(file_of "$1") rows start
  rows=$(in_peers "${ahead[@]}" llama-bench -m "$file" -t "$threads" -p 512 -n 64 -ngl 0 -lm mmap -r 1 -o jsonl 2>/dev/null)
  sample "$1 prompt, tokens/s" peer "$(grep '"n_gen": 0,' <<< "$rows" | field avg_ts)"
  sample "$1 decode, tokens/s" peer "$(grep '"n_gen": 64,' <<< "$rows" | field avg_ts)"
  start=$(date +%s.%N)
  in_peers "${ahead[@]}" llama-completion -m "$file" -t "$threads" -p once -n 1 --temp 0 -no-cnv --no-warmup -ngl 0 \
    > /dev/null 2>&1 < /dev/null
  sample "$1 first token, s" peer "$(seconds_since "$start")"
}

measure_quern() {
  local file=$models/$(file_of "$1") row start
  row=$("${ahead[@]}" "$quern" bench -m "$file" -p 512 -n 64 --threads "$threads" --json | tr -d '\n')
  sample "$1 prompt, tokens/s" quern "$(field prompt_tokens_per_second <<< "$row")"
  sample "$1 decode, tokens/s" quern "$(field decode_tokens_per_second <<< "$row")"
  start=$(date +%s.%N)
  "${ahead[@]}" "$quern" generate -m "$file" --threads "$threads" -p once -n 1 --temp 0 > /dev/null 2>&1
  sample "$1 first token, s" quern "$(seconds_since "$start")"
  sample "$1 load, s" quern "$(field load_seconds <<< "$row")"
  sample "$1 resident, share of file" quern \
    "$(awk "BEGIN { print $(field resident_bytes_after_load <<< "$row") / $(stat -c %s "$file") }")"
}

peers_or_skip
in_peers python3 /mnt/quern/bench/peers/make_llama.py /mnt/models --layers "$layers" --type "${types[@]}"

describe_cpu
backend=$(in_peers llama-bench --list-devices 2>&1 | sed -nE 's/.*loaded CPU backend from .*\///p' | head -n 1)
echo "peer: llama.cpp $(in_peers dpkg-query -W -f '${Version}' llama.cpp) with $backend, $threads threads"
if [ -x "$quern" ]; then
  echo "quern: $("$quern" --version), $threads threads"
else
  echo "quern: $quern is not there; the peer is measured alone"
fi

for ((round = 1; round <= rounds; ++round)); do
  for type in "${types[@]}"; do
    cat "$models/$(file_of "$type")" > /dev/null
    if [ -x "$quern" ]; then
      if ((round % 2)); then measure_quern "$type"; measure_peer "$type"; else measure_peer "$type"; measure_quern "$type"; fi
    else
      measure_peer "$type"
    fi
  done
  echo "round $round of $rounds done" >&2
done
report "$root/build/bench/llm.json"
