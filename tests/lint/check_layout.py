"""The top level holds what it should and nothing else."""

FOLDERS = {"include", "src", "examples", "bench", "tests", "cmake"}
MANIFESTS = {"CMakeLists.txt", "CMakePresets.json", "vcpkg.json", "conanfile.py"}
FILES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", *MANIFESTS}


def check(project):
    complaints = []
    for name in project.names:
        top, _, below = name.partition("/")
        if not top.startswith(".") and top not in (FOLDERS if below else FILES):
            complaints.append(f"{name}: {top} does not belong on the top level")
    complaints += [f"{name} is missing" for name in sorted(FILES) if name not in project.names]
    return sorted(set(complaints))


TREE = {name: "" for name in [*FILES, "src/core/a.cpp", ".clang-format", ".ci/run"]}
FINE = TREE
BROKEN = [
    ({**TREE, "docs/a.md": ""}, "docs does not belong"),
    ({**TREE, "notes.txt": ""}, "notes.txt does not belong"),
    ({name: "" for name in TREE if name != "LICENSE"}, "LICENSE is missing"),
]
