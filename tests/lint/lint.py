#!/usr/bin/env python3
"""Runs one check of the code: lint.py CHECK [--self-test] [--root DIR] [--compiler CXX]

A check is a module of this folder with `check(project) -> [complaint]`, BROKEN: small trees, each
with a complaint that the check must make about it, and FINE: one that it must not complain about.
--self-test checks those instead of the project. Exit code 1 on complaints, 77 where it cannot run.
"""

import argparse
import importlib
import pathlib
import sys
import tempfile

from project import Project, Skipped


def self_test(check, options):
    """Complaints about a check that overlooks what it is there to find."""
    trees = [(files, expected) for files, expected in check.BROKEN] + [(check.FINE, None)]
    for files, expected in trees:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            complaints = check.check(Project(pathlib.Path(folder), options.compiler, sorted(files)))
        if expected is None and complaints:
            yield f"complained about a fine tree: {complaints}"
        if expected is not None and not any(expected in complaint for complaint in complaints):
            yield f'expected a complaint with "{expected}", got {complaints}'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("check")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2])
    parser.add_argument("--compiler", default="c++")
    options = parser.parse_args()
    check = importlib.import_module(f"check_{options.check}")
    try:
        if options.self_test:
            complaints = list(self_test(check, options))
        else:
            complaints = check.check(Project(options.root, options.compiler))
    except Skipped as skipped:
        print(f"SKIPPED: {skipped}")
        return 77
    print("\n".join(complaints))
    return 1 if complaints else 0


sys.exit(main())
