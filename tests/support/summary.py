#!/usr/bin/env python3
"""Sums what several runs of ctest found: summary.py [--failed STEP]... JUNIT.xml...

Prints why tests were skipped and which failed, then one line: "N passed, M failed, K skipped". A STEP
that could not be done (a build, say) counts as one failure. Exit code 1 where anything failed.
"""

import argparse
import collections
import pathlib
import sys
import xml.etree.ElementTree

parser = argparse.ArgumentParser()
parser.add_argument("--failed", action="append", default=[])
parser.add_argument("results", nargs="*", type=pathlib.Path)
options = parser.parse_args()

passed = 0
skips = collections.Counter()
failures = list(options.failed)
for path in options.results:
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            reasons = [
                line.partition("SKIPPED: ")[2]
                for line in (case.findtext("system-out") or "").splitlines()
                if line.startswith("SKIPPED: ")
            ]
            skips[reasons[0] if reasons else f"{case.get('name')} did not run"] += 1
        elif case.get("status") == "run":
            passed += 1
        else:
            failures.append(f"{path.stem}: {case.get('name')}")

for reason, count in skips.items():
    print(f"skipped {count}: {reason}")
for name in failures:
    print(f"failed: {name}")
skipped = sum(skips.values())
print(f"{passed} passed, {len(failures)} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failures else 0)
