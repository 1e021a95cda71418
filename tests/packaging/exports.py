#!/usr/bin/env python3
"""The shared library exports the public API and nothing else: exports.py LIBRARY INCLUDE_FOLDER

Every dynamic symbol that it defines must be in namespace quern, or be the type information of a class
there, and each part of its name must occur in a public header. Members of a class's own `Impl` pass:
a nested class is as visible as the class around it. `exports.py --self-test` proves that this finds
what it should.
"""

import pathlib
import re
import subprocess
import sys


def complaints(symbols, headers):
    declared = set(re.findall(r"\w+", re.sub(r"//[^\n]*", "", headers)))
    for symbol in symbols:
        name = re.sub(r"^(vtable|VTT|typeinfo|typeinfo name) for ", "", symbol)
        name = re.sub(r"\[abi:\w+\]|<.*>|\(.*", "", name)
        parts = [part.lstrip("~") for part in name.split("::")]
        if parts[0] != "quern" and not name.startswith("quern_"):
            yield f"{symbol} is not in namespace quern"
        elif "Impl" not in parts:
            unknown = [part for part in parts if part not in declared]
            if any(not part.startswith("operator") for part in unknown):
                yield f"{symbol} is in no public header"


def self_test():
    headers = "namespace quern { class Tensor { int rank(); }; int f(); }  // hidden"
    good = ["quern::f()", "quern::Tensor::rank() const", "vtable for quern::Tensor"]
    good += ["quern::Tensor::~Tensor()", "quern::Tensor::operator==(quern::Tensor const&) const"]
    good += ["quern::Tensor::Impl::strides()"]
    bad = ["std::vector<quern::Tensor>::push_back()", "quern::hidden()", "quern::io::f()", "main"]
    bad += ["fmt::v9::format_error::~format_error()", "typeinfo for fmt::v9::format_error"]
    assert not list(complaints(good, headers)), list(complaints(good, headers))
    for symbol in bad:
        assert list(complaints([symbol], headers)), symbol


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    library, include = sys.argv[1:]
    command = ["nm", "--dynamic", "--defined-only", "--demangle", "--format=posix", library]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    address = re.compile(r" [A-Za-z] [0-9a-f]+( [0-9a-f]+)?\s*$")
    symbols = [address.sub("", line) for line in listed.splitlines()]
    headers = "".join(path.read_text() for path in pathlib.Path(include).rglob("*.h"))
    found = list(complaints(symbols, headers))
    print(f"{len(symbols)} symbols", *found, sep="\n")
    return 1 if found or not symbols else 0


sys.exit(main())
