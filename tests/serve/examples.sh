#!/bin/sh
# examples.sh SERVER CLIENT FOLDER: runs the example of a client against that of a server, in FOLDER.
set -eu
server=$1 client=$2 folder=$3
rm -rf "$folder" && mkdir -p "$folder"
mkfifo "$folder/input"
"$server" 0 <"$folder/input" >"$folder/url" &
exec 3>"$folder/input"  # the server ends when this is closed
until [ -s "$folder/url" ]; do kill -0 $! && sleep 0.1; done
"$client" "$(cat "$folder/url")" >"$folder/answer"
exec 3>&-
wait $!
test "$(wc -c <"$folder/answer")" -gt 20
