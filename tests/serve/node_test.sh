#!/bin/sh
# node_test.sh FOLDER WORK QUERN MODEL: runs FOLDER/test.mjs by Node.js against the program QUERN, in WORK, where
# the packages of FOLDER/package-lock.json are installed. Exit code 77 where Node.js, npm, the packages or
# another program that the test needs are missing.
set -eu
folder=$1 work=$2
export QUERN_PROGRAM=$3 QUERN_MODEL=$4
for program in node npm; do
  command -v $program >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
mkdir -p "$work"
cp "$folder"/../server.mjs "$folder"/*.mjs "$folder"/package*.json "$work"
cd "$work"
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 ||
    { tail -n 3 npm.log; echo "skipped: the packages cannot be installed"; exit 77; }
  cp package-lock.json node_modules/.installed
fi
exec node test.mjs
