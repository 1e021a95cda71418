"""Each public header compiles alone, needs only the standard library, and is cheap to include."""

import concurrent.futures
import re
import subprocess

from project import STANDARD_HEADERS, without

BUDGET = 55000  # preprocessed lines of a header
BUILD_OPTION = re.compile(
    r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*\b(QUERN_(?!API)|HAVE_|NDEBUG)", re.MULTILINE
)


def check(project):
    headers = project.files(r"include/.*")
    complaints = []
    for name in headers:
        for number, bracket, header in project.includes(name):
            if bracket == "<" and header not in STANDARD_HEADERS:
                complaints.append(f"{name}:{number}: <{header}> is not a standard header")
            if bracket == '"' and f"include/{header}" not in headers:
                complaints.append(f'{name}:{number}: "{header}" is not a public header')
        if BUILD_OPTION.search(without(project.text(name))):
            complaints.append(f"{name}: depends on an option of the build")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda name: compile_alone(project, name), headers):
            complaints += found
    return complaints


def compile_alone(project, name):
    command = [project.compiler, "-std=c++20", "-x", "c++", "-", "-I", project.root / "include"]
    user = f'#include "{name.removeprefix("include/")}"\n'.encode()
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    alone = subprocess.run(command + warnings, input=user, capture_output=True)
    if alone.returncode != 0:
        return [f"{name} does not compile alone:\n{alone.stderr.decode()}"]
    expanded = subprocess.run(command + ["-E", "-P"], input=user, capture_output=True, check=True)
    lines = expanded.stdout.count(b"\n")
    print(f"{name}: {lines} preprocessed lines")
    return [f"{name}: {lines} preprocessed lines, at most {BUDGET}"] if lines > BUDGET else []


FINE = {
    "include/quern/a.h": "#pragma once\n#include <string>\nstd::string a();\n",
    "include/quern/b.h": '#pragma once\n#include "quern/a.h"\nint b();\n',
}
BROKEN = [
    ({"include/quern/" + name: "#pragma once\n" + text}, complaint)
    for name, text, complaint in [
        ("a.h", "std::string a();\n", "include/quern/a.h does not compile alone"),
        ("b.h", "#include <fmt/format.h>\n", "b.h:2: <fmt/format.h> is not a standard header"),
        ("c.h", '#include "core/error.h"\n', '"core/error.h" is not a public header'),
        ("d.h", "int x();\n" * 60000, "60001 preprocessed lines"),
        ("e.h", "#ifdef QUERN_WITH_JIT\nint jit();\n#endif\n", "option of the build"),
    ]
]
