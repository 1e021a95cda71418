"""An LLM architecture is named only in its own file and in the table of them all.

Names are those of the files of src/llm/arch/ and the strings of its table.cpp. src/tokenizer may use
them: GGUF names types of tokenizers after models.
"""

import re

from project import without

OWN = "src/llm/arch/"
FREE = (OWN, "src/tokenizer/", "include/quern/tokenizer.h")


def check(project):
    files = project.files(OWN + r"\w+\.cpp")
    names = {name[len(OWN) : -len(".cpp")] for name in files} - {"table"}
    if f"{OWN}table.cpp" in files:
        table = without(project.text(f"{OWN}table.cpp"), strings=False)
        table = re.sub(r"^\s*#\s*include.*$", "", table, flags=re.M)
        names |= set(re.findall(r'"([\w-]+)"', table))
    complaints = []
    for arch in sorted(names):
        # "llama", "Llama-2" and "LlamaModel", but neither "llama.cpp" nor "llama3", a way to scale
        # rotary angles.
        spelt = re.compile(rf"(?<![A-Za-z0-9])(?i:{re.escape(arch)})(?![a-z0-9]|\.cpp)")
        own_file = {f"{OWN}{arch}.cpp", f"{OWN}{arch}.h", f"{OWN}table.cpp"}
        for name in project.files(r"(src|include)/.*\.(h|cpp|inc)"):
            if name in own_file or (name.startswith(FREE) and not name.startswith(OWN)):
                continue
            for number, line in enumerate(project.text(name).splitlines(), 1):
                if spelt.search(line):
                    complaints.append(f"{name}:{number}: names the architecture {arch}")
    return complaints


TREE = {
    "src/llm/arch/llama.cpp": '// Llama\nConfig read() { return {"llama"}; }\n',
    "src/llm/arch/qwen2.cpp": "",
    "src/llm/arch/table.cpp": """#include "llm/arch/table.h"
Arch table[] = {{"llama", llama}, {"qwen2", qwen2}, {"mistral", llama}};
""",
    "src/tokenizer/gguf.cpp": 'if (type == "llama") {}\n',
    "src/llm/model.cpp": 'const char* scaling = "llama3";  // as llama.cpp does\n',
}
FINE = TREE
BROKEN = [
    ({**TREE, "src/llm/model.cpp": '\nf("llama");\n'}, "model.cpp:2: names the architecture llama"),
    ({**TREE, "include/quern/llm.h": "class LlamaModel;\n"}, "names the architecture llama"),
    ({**TREE, "src/llm/chat.cpp": 'f("mistral");\n'}, "names the architecture mistral"),
    ({**TREE, "src/llm/arch/qwen2.cpp": "// like Llama\n"}, "qwen2.cpp:1: names the architecture"),
]
