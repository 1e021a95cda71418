"""prune_known_failures.py QUERN FOLDER...: takes the cases out of known_failures.txt that pass now. It never adds one."""

import pathlib
import subprocess
import sys

quern, *folders = sys.argv[1:]
output = subprocess.run([quern, "onnx-test", *folders], stdout=subprocess.PIPE, text=True).stdout
passing = {line[5:] for line in output.splitlines() if line.startswith("pass ")}
path = pathlib.Path(__file__).with_name("known_failures.txt")
lines = path.read_text().splitlines(keepends=True)
kept = [line for line in lines if line.split("\t")[0] not in passing]
path.write_text("".join(kept))
print(f"{len(lines) - len(kept)} pass, {len(kept)} are still known to fail")
