#!/usr/bin/env bash
# The service against llama-server: the same random-weight Llama of 1.1 billion parameters in Q8_0, the same requests
# (256 tokens of prompt, 64 of answer, streamed), in turns. Tokens a second of prompts and answers together, and the
# median time to the first token, by concurrent streams; and the same beside 500 idle connections.
#
#   serve.sh [STREAMS...]      default: 1 4 16 64
#
# Environment: ROUNDS (3), REQUESTS of a stream (2), LAYERS (16), THREADS (2), QUERN, QUERN_PEERS, QUERN_BENCH_MODELS.
# Writes build/bench/serve.json.
set -euo pipefail
source "$(dirname "$0")/common.sh"
rounds=${ROUNDS:-3} requests=${REQUESTS:-2} layers=${LAYERS:-16} threads=${THREADS:-2}
streams=("$@")
[ $# -gt 0 ] || streams=(1 4 16 64)
file=llama-$layers-Q8_0.gguf
most=$(printf '%s\n' "${streams[@]}" | sort -n | tail -n 1)
quern_port=18080 peer_port=18081

load() { python3 "$(dirname "$0")/serve_load.py" "$@" --requests "$requests" --seed "$RANDOM"; }

# await_ready PORT PATH
await_ready() {
  for ((i = 0; i < 600; ++i)); do
    if curl -sf "http://127.0.0.1:$1$2" > /dev/null; then return; fi
    sleep 0.1
  done
  echo "the server at port $1 does not answer" >&2
  exit 1
}

# measure SIDE NAME PORT STREAMS [OPTION...]
measure() {
  local side=$1 name=$2 port=$3 row
  shift 3
  row=$(load "$port" "$@")
  sample "$name, tokens/s" "$side" "$(field total_tokens_per_second <<< "$row")"
  sample "$name first token, s" "$side" "$(field first_token_seconds <<< "$row")"
  if grep -q http_cpu <<< "$row"; then
    sample "$name HTTP, us/token" "$side" "$(field http_cpu_us_per_token <<< "$row")"
  fi
}

# Each side has the CPUs to itself: the other's server is stopped (SIGSTOP) meanwhile.
measure_quern() {
  kill -CONT "$quern_pid"
  measure quern "$1 streams" $quern_port "$1" --pid "$quern_pid"
  if [ "$1" = "$most" ]; then measure quern "$1 streams, 500 idle" $quern_port "$1" --idle 500; fi
  kill -STOP "$quern_pid"
}
measure_peer() {
  kill -CONT "$peer_pid"
  measure peer "$1 streams" $peer_port "$1"
  kill -STOP "$peer_pid"
}

peers_or_skip
in_peers python3 /mnt/quern/bench/peers/make_llama.py /mnt/models --layers "$layers" --type Q8_0
describe_cpu
echo "peer: llama.cpp $(in_peers dpkg-query -W -f '${Version}' llama.cpp), $threads threads"

"${ahead[@]}" "$quern" serve -m "$models/$file" --name load --port $quern_port --context 1024 --threads "$threads" 2> /dev/null &
quern_pid=$!
in_peers "${ahead[@]}" llama-server -m "/mnt/models/$file" --port $peer_port -t "$threads" -tb "$threads" -np "$most" \
  -c $((most * 512)) -ngl 0 --no-webui > /dev/null 2>&1 &
await_ready $peer_port /health
peer_pid=$(pgrep -P $!)
trap 'kill -CONT $quern_pid $peer_pid; kill $quern_pid $peer_pid; rm -f "$samples"' EXIT
await_ready $quern_port /readyz
kill -STOP $quern_pid
kill -STOP "$peer_pid"

for ((round = 1; round <= rounds; ++round)); do
  for count in "${streams[@]}"; do
    if ((round % 2)); then measure_quern "$count"; measure_peer "$count"; else measure_peer "$count"; measure_quern "$count"; fi
  done
  echo "round $round of $rounds done" >&2
done
report "$root/build/bench/serve.json"
