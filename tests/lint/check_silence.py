"""The library does not print, abort, exit or read the environment; the program in src/cli may."""

import re

from project import without

CALLS = r"""printf fprintf vprintf vfprintf puts fputs putchar putc perror print println
            abort exit _exit _Exit quick_exit terminate assert raise
            getenv secure_getenv setenv unsetenv putenv"""
STREAMS = "cout cerr clog wcout wcerr wclog stdout stderr"
FORBIDDEN = re.compile(
    rf"(?<![\w.>])({'|'.join(CALLS.split())})\s*\("
    rf"|\b({'|'.join(STREAMS.split())})\b"
    r"|#\s*include\s*<(iostream|cassert|print)>"
)


def check(project):
    complaints = []
    for name in project.files(r"(src|include)/.*\.(h|cpp|inc)"):
        if name.startswith("src/cli/"):
            continue
        for number, line in enumerate(without(project.text(name)).splitlines(), 1):
            found = FORBIDDEN.search(line)
            if found:
                what = found[1] or found[2] or found[3]
                complaints.append(f"{name}:{number}: the library may not use {what}")
    return complaints


FINE = {
    "src/core/a.cpp": """// abort() in a comment
const char* a = "printf(";  static_assert(true); int n = 1'000; char q = '"';
model.print(); stream->print(); int footprint(int); log(LogLevel::info, "exit(1)");
""",
    "src/cli/main.cpp": '#include <iostream>\nint main() { std::cout << 1; std::exit(2); }\n',
}
BROKEN = [
    ({"src/core/a.cpp": "\nvoid f() { std::abort(); }\n"}, "a.cpp:2: the library may not"),
    ({"src/core/a.cpp": 'void f() { fmt::print("x"); }\n'}, "print"),
    ({"src/io/a.cpp": "void f() { std :: cerr << 1; }\n"}, "cerr"),
    ({"include/quern/a.h": "inline void f() { assert (1); }\n"}, "assert"),
    ({"src/core/a.h": 'auto home = std::getenv("HOME");\n'}, "getenv"),
    ({"src/core/a.h": "#include <iostream>\n"}, "iostream"),
    ({"src/core/a.cpp": "int n = 1'000; void f() { exit(1); } char c = 'x';\n"}, "exit"),
]
