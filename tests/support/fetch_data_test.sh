#!/usr/bin/env bash
# Tries fetch_data.sh with an archive of one case: fetch_data_test.sh SCRIPT FOLDER (for scratch; emptied)
set -euo pipefail
script=$1
scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
data=onnx-9/onnx/backend/test/data

fails() {
  echo "$1" >&2
  exit 1
}

# run CODE WORDS [NAME=VALUE...]: the script's exit code and what it says.
run() {
  local code=0
  env "${@:3}" "$script" "$scratch/out" >"$scratch/said" 2>&1 || code=$?
  cat "$scratch/said"
  [ "$code" = "$1" ] || fails "exit code $code, expected $1"
  grep -q -- "$2" "$scratch/said" || fails "nothing of \"$2\""
}

(cd "$scratch"
 for file in node/test_a/model.onnx node/test_a/test_data_set_0/input_0.pb simple/test_b/model.onnx light/c.onnx; do
   mkdir -p "$data/$(dirname $file)"
   echo "$file" >"$data/$file"
 done
 echo code >onnx-9/setup.py
 tar -czf archive.tar.gz onnx-9)
sha256=$(cd "$scratch/$data" && find node simple light -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d ' ' -f 1)
archive=QUERN_ONNX_SOURCE=file://$scratch/archive.tar.gz

run 3 "is there a network" "QUERN_ONNX_SOURCE=file://$scratch/absent.tar.gz"
run 4 "other cases" "$archive"
echo text >"$scratch/text"
run 4 "no archive" "QUERN_ONNX_SOURCE=file://$scratch/text"
[ -z "$(ls -A "$scratch/out/onnx")" ] || fails "something was left"
run 0 "SKIPPED: onnx/models" "$archive" "QUERN_ONNX_SHA256=$sha256"
cmp "$scratch/$data/node/test_a/test_data_set_0/input_0.pb" "$scratch/out/onnx/node/test_a/test_data_set_0/input_0.pb"
[ "$(ls -A "$scratch/out/onnx" | tr '\n' ' ')" = "light node simple " ] || fails "other files"
if grep -q "SKIPPED: onnx/node" "$scratch/said"; then fails "what is there is called absent"; fi
run 0 "are in" "QUERN_ONNX_SOURCE=file://$scratch/absent.tar.gz"
