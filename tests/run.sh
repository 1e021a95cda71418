#!/usr/bin/env bash
# Installs what is missing (Debian 12, as root), builds quern and runs all of its tests.
#
#   tests/run.sh           release with warnings as errors; within the tests Clang builds the library, and
#                          the installed package is used
#   tests/run.sh --quick   without the tests labelled slow
#   tests/run.sh --all     then Clang on each file alone, the tests again under the address and
#                          undefined-behaviour sanitizers, and those that start threads under the thread
#                          sanitizer; what continuous integration runs
#   --also FILE            adds to the sum what another run of ctest found (--output-junit)
#
# Builds in build/<preset>, anew only what changed; uses ccache where it is installed. The last line is
# the sum of all runs: "N passed, M failed, K skipped". Exit code 1 where anything failed.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=false
all=false
failed=()
also=()
while [ $# != 0 ]; do
  case $1 in
    --quick) quick=true ;;
    --all) all=true ;;
    --also) also+=("${2:?}"); shift ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done

cmake/debian-packages.sh test
jobs=$(nproc)
options=(-DQUERN_WERROR=ON)
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1  # one clone finds what another compiled
fi
# Sixteen files at a time, which halves the work; Clang sees each file alone (--all).
tests=(-DQUERN_BUILD_TESTS=ON -DQUERN_BUILD_EXAMPLES=ON
       -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16)
results=build/results
rm -rf "$results"
mkdir -p "$results"
for file in "${also[@]}"; do
  if [ -s "$file" ]; then cp "$file" "$results"; else failed+=(--failed "$file was not made"); fi
done

# step NAME COMMAND...: a step that must succeed for the next one of its preset to make sense.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  "$@" >"$results/log" 2>&1 || status=$?
  if [ $status != 0 ]; then
    tail -n 100 "$results/log"
    failed+=(--failed "$name")
  fi
  echo "   $((SECONDS - start)) s"
  return $status
}

# run_tests PRESET CTEST_OPTION...: prints ctest's own account; what fails is counted from its results.
run_tests() {
  local preset=$1 start=$SECONDS
  shift
  echo "== test $preset"
  ctest --preset "$preset" --parallel "$jobs" --output-junit "$PWD/$results/$preset.xml" "$@" |
    grep -vE '^ *Start +[0-9]+:' || true
  if [ ! -s "$results/$preset.xml" ]; then failed+=(--failed "test $preset"); fi
  echo "   $((SECONDS - start)) s"
}

# build PRESET "TARGET..." CMAKE_OPTION...
build() {
  local preset=$1 targets=$2
  shift 2
  step "configure $preset" cmake --preset "$preset" "${options[@]}" "$@" || return 1
  # shellcheck disable=SC2086  # targets are words
  step "build $preset" cmake --build --preset "$preset" --parallel "$jobs" --target $targets
}

# try PRESET "TARGET..." CTEST_OPTION...
try() {
  local preset=$1 targets=$2
  shift 2
  if build "$preset" "$targets" "${tests[@]}"; then run_tests "$preset" "$@"; fi
}

if $quick; then
  try release all --label-exclude slow
else
  try release all
fi
if $all; then
  build clang all -DQUERN_BUILD_TESTS=OFF -DCMAKE_CXX_FLAGS_RELEASE=-O0 || true
  try asan all
  mapfile -t threaded < <(grep -lE 'std::j?thread|parallel_for' tests/*/*_test.cpp | cut -d/ -f2 | sort -u)
  if [ ${#threaded[@]} != 0 ]; then
    try tsan "${threaded[*]/#/test_}" --label-regex "^($(IFS='|'; echo "${threaded[*]}"))\$"
  fi
fi
rm -f "$results/log"

echo "== sum"
shopt -s nullglob
python3 tests/support/summary.py "${failed[@]}" "$results"/*.xml
