"""clang-tidy, with the checks of .clang-tidy, has nothing to say of the sources that the last commits changed.

All of them take half an hour: run-clang-tidy-14 -p build/clang src, after cmake --preset clang.
"""

import concurrent.futures
import glob
import re
import shutil
import subprocess

from project import Skipped

COMMITS = 8
MOST_FILES = 6  # of a few seconds each
MOST_BYTES = 40_000
MOST_SECONDS = 90  # on a busy machine; what takes longer is not looked at
SYSTEM = [*glob.glob("/usr/include/eigen3"), *glob.glob("/usr/include/libpng1*"), *glob.glob("/usr/include/openjpeg-*")]
SOURCES = r"src/(?!kernels/).*\.cpp"  # those of kernels are compiled for each SIMD target


def changed(project):
    """Names of files that differ from what they were some commits ago, those not committed among them."""
    for commits in range(COMMITS, -1, -1):
        command = ["git", "-C", project.root, "diff", "--name-only", f"HEAD~{commits}"]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.splitlines()
    return project.names  # not a clone


def tidy(project, name):
    command = ["clang-tidy-14", "--quiet", project.root / name, "--", "-std=c++20"]
    command += [f"-I{project.root / folder}" for folder in ("src", "include")]
    command += [part for folder in SYSTEM for part in ("-isystem", folder)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=project.root, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        print(name, "took too long")
        return []
    found = re.findall(r"^.*(?:warning|error): .*$", run.stdout, re.MULTILINE)
    return [line.replace(f"{project.root}/", "") for line in dict.fromkeys(found)]


def check(project):
    if shutil.which("clang-tidy-14") is None:
        raise Skipped("there is no clang-tidy-14")
    candidates = set(changed(project))
    names = [name for name in project.files(SOURCES) if name in candidates]
    names = [name for name in names if len(project.text(name)) < MOST_BYTES][:MOST_FILES]
    print("looks at", *names)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [line for found in pool.map(lambda name: tidy(project, name), names) for line in found]


CONFIG = "Checks: '-*,bugprone-use-after-move,modernize-use-override'\n"
FINE = {
    ".clang-tidy": CONFIG,
    "src/core/a.cpp": "struct A { virtual ~A() = default; virtual int f(); };\nstruct B : A { int f() override; };\n",
    "src/kernels/a.cpp": "struct A { virtual int f(); };\nstruct B : A { virtual int f(); };\n",
}
BROKEN = [
    (
        {
            ".clang-tidy": CONFIG,
            "src/core/a.cpp": "struct A { virtual ~A() = default; virtual int f(); };\nstruct B : A { virtual int f(); };\n",
        },
        "src/core/a.cpp:2:",
    ),
    ({".clang-tidy": CONFIG, "src/core/b.cpp": "int f() { return no_such_name; }\n"}, "src/core/b.cpp:1:"),
]
