"""Each folder of src/ includes only the folders and libraries that src/README.md allows it.

A row may be of a folder within a folder: what is in it may include what its own row says, headers of the folder around
by name, and others only it where their rows name it.
"""

import fnmatch
import re

from project import STANDARD_HEADERS

MAP = "src/README.md"
# What comes with the system and its compilers.
SYSTEM = re.compile(r"((sys|netinet|arpa)/.*|netdb\.h|poll\.h|unistd\.h|fcntl\.h|pthread\.h|signal\.h|sanitizer/.*)")


def column(project, key, value):
    """{cell of one column: words of the cell of another} of the table in the map with both."""
    rows = project.table(MAP, key, value)
    return {row[key]: set(re.findall(r"[\w/.]+", row[value])) for row in rows}


def row_of(folders, name):
    """The folder of the table that a file below src/ lies in, the innermost one."""
    within = [folder for folder in folders if name.startswith(folder + "/")]
    return max(within, key=len, default=name.split("/")[0])


def may_include(allowed, other, header):
    return other in allowed or header in allowed


def check(project):
    folders = column(project, "folder", "may include")
    libraries = column(project, "headers", "used in")
    complaints = []

    present = {row_of(folders, name.removeprefix("src/")) for name in project.files(r"src/\w+/.*")}
    complaints += [f"{MAP}: no row for src/{folder}" for folder in sorted(present - folders.keys())]
    complaints += [f"{MAP}: no src/{folder} exists" for folder in sorted(folders.keys() - present)]

    for name in project.files(r"src/.*\.(h|cpp|inc)"):
        folder = row_of(folders, name.removeprefix("src/"))
        allowed = folders.get(folder, set())
        for number, bracket, header in project.includes(name):
            complaint = None
            if header.startswith("quern/"):
                pass
            elif bracket == '"':
                other = row_of(folders, header)
                if other not in folders or "/" not in header:
                    complaint = f'"{header}" is not relative to src/'
                elif other != folder and not may_include(allowed, other, header):
                    complaint = f"{folder} may not include {other}: \"{header}\""
            elif header not in STANDARD_HEADERS and not SYSTEM.fullmatch(header):
                users = [used for pattern, used in libraries.items() if covers(pattern, header)]
                outer = folder.split("/")[0]
                if not any("everywhere" in used or outer in used for used in users):
                    complaint = f"{folder} may not include <{header}>"
            if complaint:
                complaints.append(f"{name}:{number}: {complaint}")

    for line in re.findall(r"quern_folder\(([^)]*)\)", project.text("src/CMakeLists.txt")):
        folder, *rest = line.split()
        below = rest[rest.index("MAY_INCLUDE") + 1 :] if "MAY_INCLUDE" in rest else []
        below = below[: below.index("LIBRARIES")] if "LIBRARIES" in below else below
        for other in sorted(set(below) - folders.get(folder, set())):
            complaints.append(f"src/CMakeLists.txt: {folder} may not include {other}")
    return complaints


def covers(pattern, header):
    return any(fnmatch.fnmatchcase(header, glob) for glob in pattern.split(", "))


TREE = {
    MAP: """
| folder | what it is | may include |
|---|---|---|
| `core` | values | |
| `io` | files | core |

| library | headers | used in |
|---|---|---|
| fmt | `fmt/*` | everywhere |
| a JSON reader | `json.hpp, json/*.hpp` | io |
""",
    "src/CMakeLists.txt": """
quern_folder(core)
quern_folder(io MAY_INCLUDE core LIBRARIES fmt::fmt)
""",
    "src/core/a.h": """
#include <fmt/format.h>
#include <sys/mman.h>
#include <vector>
#include "quern/tensor.h"
""",
    "src/io/b.cpp": '#include "core/a.h"\n#include "io/c.h"\n#include <json/parse.hpp>\n',
}
# A folder within a folder: it sees one header of that around it, which sees nothing of it.
NESTED = {
    **TREE,
    MAP: TREE[MAP].replace("| `io` | files | core |", "| `io` | files | core |\n| `io/json` | text | io/c.h, core |"),
    "src/io/json/d.cpp": '#include "core/a.h"\n#include "io/c.h"\n#include "io/json/e.h"\n#include <json/parse.hpp>\n',
}
FINE = NESTED
BROKEN = [
    ({**NESTED, "src/io/json/d.cpp": '#include "io/b.h"\n'}, "d.cpp:1: io/json may not include io"),
    ({**NESTED, "src/io/b.cpp": '#include "io/json/e.h"\n'}, "b.cpp:1: io may not include io/json"),
    ({name: text for name, text in NESTED.items() if "json/" not in name}, "no src/io/json exists"),
    ({**TREE, "src/core/a.h": '#include "io/b.h"\n'}, "src/core/a.h:1: core may not include io"),
    ({**TREE, "src/core/a.h": "\n # include <json.hpp>\n"}, "a.h:2: core may not include <json"),
    ({**TREE, "src/io/b.cpp": "#include <dnnl.hpp>\n"}, "io may not include <dnnl.hpp>"),
    ({**TREE, "src/io/b.cpp": '#include "c.h"\n'}, "not relative to src/"),
    ({**TREE, "src/io/b.cpp": '#include "../core/a.h"\n'}, "not relative to src/"),
    ({**TREE, "src/ops/x.cpp": ""}, "no row for src/ops"),
    ({name: text for name, text in TREE.items() if "io/" not in name}, "no src/io exists"),
    ({**TREE, "src/CMakeLists.txt": "quern_folder(core MAY_INCLUDE io)"}, "Lists.txt: core may"),
]
