#!/bin/bash
# readme.sh README QUERN MODEL FOLDER: starts the server of the README's section "The service" on a free port,
# and runs each of the section's curl lines against it; all must succeed. Exit code 77 where curl is missing.
set -euo pipefail
readme=$1 quern=$2 model=$3 folder=$4
command -v curl >/dev/null || { echo "skipped: curl is not installed"; exit 77; }
mkdir -p "$folder"
"$quern" serve -m "$model" --name story --port 0 --threads 1 2>"$folder/log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until grep -q "serves at" "$folder/log"; do kill -0 $server; sleep 0.1; done
url=$(sed -n 's/.*serves at //p' "$folder/log")

# Lines of the section that begin with curl, with those that continue them.
section=$(sed -n '/^## The service/,/^## /p' "$readme")
commands=$(sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' <<<"$section" | grep '^curl')
count=0
while read -r line; do
  line=${line/#curl/curl --silent --show-error --fail}
  line=${line//http:\/\/localhost:8080/$url}
  echo "+ $line"
  bash -c "$line" | tee "$folder/answer"
  echo
  test -s "$folder/answer"
  count=$((count + 1))
done <<<"$commands"
test $count -ge 4
kill -TERM $server
wait $server
