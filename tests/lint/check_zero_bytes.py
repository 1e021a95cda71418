"""A zero byte within a string literal stays only where its length is told: by s, sv, or a number after it."""

import re

# Literals one after another are one; what follows says whether their length is kept.
LITERALS = re.compile(r'(?<![R\w])((?:(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*"\s*)+)(sv?\b)?(\s*,\s*[0-9])?')
COMMENT_OR_RAW = re.compile(r'//[^\n]*|R"\((?:.|\n)*?\)"')
ZERO = re.compile(r"\\(?:0+(?![0-7])|x0+(?![0-9a-fA-F]))")


def blanked(text):
    """Without comments and raw literals, where they are not in a literal; lines stay."""
    pattern = re.compile(rf'("(?:[^"\\\n]|\\.)*")|{COMMENT_OR_RAW.pattern}')
    return pattern.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)


def check(project):
    complaints = []
    for name in project.files(r"(src|include|tests|bench|examples)/.*\.(h|cpp|inc)"):
        text = blanked(project.text(name))
        for found in LITERALS.finditer(text):
            if ZERO.search(found[1].replace("\\\\", "")) and not found[2] and not found[3]:
                number = text.count("\n", 0, found.start()) + 1
                complaints.append(f"{name}:{number}: a literal may end at its zero byte: {found[1].strip()}")
    return complaints


FINE = {
    "tests/a.cpp": r"""// "a\0b" in a comment
using namespace std::literals;
auto a = "a\0b"sv;
auto b = std::string("a\0b", 3);
auto c = "\01\x0f" "\x01";  char d = '\0';
auto e = "\\0 and \u0000";
auto f = R"(\0)";
auto g = "\xff"
         "\0"s;
auto h = "// \1";
""",
}
BROKEN = [
    ({"tests/a.cpp": r'auto a = "a\0b";'}, "a.cpp:1: a literal may end"),
    ({"tests/a.cpp": r'f({"x", "\x00x"});'}, r"\x00x"),
    ({"src/a.h": r'g("\0");  // in a header'}, "zero byte"),
    ({"src/a.h": '\nauto a = "b"\n  "\\0";'}, "a.h:2"),
]
