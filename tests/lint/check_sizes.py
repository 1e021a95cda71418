"""No file is too long: 800 lines (tables of data in *_data.cpp aside), public headers 300."""

import statistics

LONGEST = 800
LONGEST_HEADER = 300


def check(project):
    code = project.files(r"(src|include|tests|examples|bench|cmake)/.*\.(h|cpp|py|sh|cmake)")
    lines = {name: project.text(name).count("\n") for name in code}
    complaints = []
    for name, count in lines.items():
        limit = LONGEST_HEADER if name.startswith("include/") else LONGEST
        if count > limit and not name.endswith("_data.cpp"):
            complaints.append(f"{name}: {count} lines, at most {limit}")
    sources = [count for name, count in lines.items() if name.startswith(("src/", "include/"))]
    if sources:
        median = statistics.median(sources)
        print(f"{len(sources)} files in src/ and include/, median {median:.0f} lines")
    return complaints


FINE = {
    "src/core/names_data.cpp": "\n" * 5000,
    "src/core/a.cpp": "\n" * 800,
    "include/quern/a.h": "\n" * 300,
}
BROKEN = [
    ({"src/core/a.cpp": "\n" * 801}, "src/core/a.cpp: 801 lines"),
    ({"include/quern/a.h": "\n" * 301}, "include/quern/a.h: 301 lines, at most 300"),
    ({"tests/core/a_test.cpp": "\n" * 801}, "at most 800"),
]
