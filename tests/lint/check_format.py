"""C++ is formatted by .clang-format, as clang-format 14 does it."""

import re
import shutil
import subprocess

from project import Skipped


def check(project):
    program = shutil.which("clang-format-14")
    if program is None:
        raise Skipped("clang-format-14 is not installed")
    files = project.files(r"(src|include|tests|examples|bench)/.*\.(h|cpp)")
    checked = subprocess.run(
        [program, "--dry-run", "--Werror", *files], cwd=project.root, capture_output=True, text=True
    )
    places = re.findall(r"^(\S+:\d+):\d+: error", checked.stderr, re.M)
    return [f"{place}: not as clang-format has it" for place in dict.fromkeys(places)]


STYLE = {".clang-format": "BasedOnStyle: Google\nColumnLimit: 100\n"}
FINE = {**STYLE, "src/core/a.cpp": "int main() { return 0; }\n"}
BROKEN = [({**STYLE, "src/core/a.cpp": "int main()\n{ return 0; }\n"}, "src/core/a.cpp:1")]
