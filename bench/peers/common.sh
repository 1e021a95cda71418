# For the scripts beside it to source: running programs in the peers chroot, and tables of medians.
#
# A script calls `peers_or_skip`, then `sample NAME quern|peer VALUE` for each measurement, in turns, and at the
# end `report FILE.json`. A VALUE is a speed, so more is better, unless NAME ends in ", s" or ", MB".

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
peers=${QUERN_PEERS:-/opt/quern-peers}
models=${QUERN_BENCH_MODELS:-$root/build/bench/models}
quern=${QUERN:-$root/build/release/bin/quern}
samples=$(mktemp)
trap 'rm -f "$samples"' EXIT

peers_or_skip() {
  [ -e "$peers/.ready" ] && [ "$(id -u)" = 0 ] && return
  echo "SKIPPED: needs root and the peers chroot in $peers (QUERN_PEERS names another)"
  exit 0
}

# Runs a program in the chroot, which sees the project as /mnt/quern and the models as /mnt/models. The mounts are
# in a namespace of the program's own and end with it.
in_peers() {
  mkdir -p "$peers/mnt/quern" "$peers/mnt/models" "$models"
  unshare --mount --propagation private bash -c '
    peers=$1 root=$2 models=$3; shift 3
    mount --bind "$root" "$peers/mnt/quern" && mount --bind "$models" "$peers/mnt/models" &&
      exec chroot "$peers" "$@"' _ "$peers" "$root" "$models" "$@"
}

# Before a program that is measured: ahead of other work on the machine, whose share of the CPUs makes threads that wait
# for each other many times slower.
ahead=(chrt --rr 1)

# The number of a field in flat JSON.
field() { sed -nE "s/.*\"$1\": *([0-9.eE+-]+).*/\1/p"; }

seconds_since() { awk "BEGIN { print $(date +%s.%N) - $1 }"; }

median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

sample() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$samples"; }

samples_of() { awk -F '\t' -v name="$1" -v side="$2" '$1 == name && $2 == side { print $3 }' "$samples"; }

# The median over rounds of how many times better quern is, which a slow minute of the machine leaves alone.
ratio_of() {
  paste <(samples_of "$1" quern) <(samples_of "$1" peer) | awk -v name="$1" '
    NF == 2 { print (name ~ /, (s|MB)$/) ? $2 / $1 : $1 / $2 }' | median | awk '{ printf "%.3f", $1 }'
}

describe_cpu() {
  local flags
  flags=$(grep -m 1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
    grep -xE 'avx2|avx_vnni|avx512f|avx512_vnni|avx512_bf16|avx512_fp16|amx_tile|amx_int8|amx_bf16' | tr '\n' ' ') || true
  echo "CPU: $(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs: $flags"
}

# Prints a row a name (medians of both sides, and of their ratios) and writes those that have both sides as JSON.
report() {
  local name ours theirs ratio separator=''
  mkdir -p "$(dirname "$1")"
  printf '\n%-24s %12s %12s %8s\n' '' quern peer ratio
  {
    echo '['
    while read -r name; do
      ours=$(samples_of "$name" quern | median) theirs=$(samples_of "$name" peer | median) ratio=
      if [ -n "$ours" ] && [ -n "$theirs" ]; then
        ratio=$(ratio_of "$name")
        printf '%s  {"name": "%s", "quern": %s, "peer": %s, "ratio": %s}' "$separator" "$name" "$ours" "$theirs" "$ratio"
        separator=$',\n'
      fi
      printf '%-24s %12s %12s %8s\n' "$name" "${ours:--}" "${theirs:--}" "${ratio:--}" >&3
    done < <(cut -f 1 "$samples" | awk '!seen[$0]++')
    printf '\n]\n'
  } 3>&1 > "$1"
}
