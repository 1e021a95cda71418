"""A model architecture is named only in its own file and in the table of them all.

Names are those of the files of src/models/arch/ (but of those with a header, which architectures
share), and the strings with which such a file, or table.cpp, says what it is called:
`return {"name", {"alias", ...}, load}`. src/tokenizer may use them: GGUF names types of tokenizers
after models.
"""

import re

from project import without

OWN = "src/models/arch/"
DESCRIPTION = re.compile(r"Architecture \w+\(\) \{\s*return (\{.*?\});", re.DOTALL)
WORDS = {"opt"}  # names that are words elsewhere
FREE = ("src/tokenizer/", "include/quern/tokenizer.h")


def names_in(project, files):
    """{architecture: its own file}"""
    names = {}
    for name in files:
        text = without(project.text(name), strings=False)
        if name == OWN + "table.cpp":
            described = [re.sub(r"^\s*#\s*include.*$", "", text, flags=re.M)]
        else:
            described = DESCRIPTION.findall(text)
            names[name[len(OWN) : -len(".cpp")]] = name
        for string in re.findall(r'"([\w-]+)"', " ".join(described)):
            names.setdefault(string.split("For")[0].lower(), name)
    return names


def check(project):
    files = [
        name
        for name in project.files(OWN + r"\w+\.cpp")
        if name.replace(".cpp", ".h") not in project.names
    ]
    complaints = []
    for arch, own_file in sorted(names_in(project, files).items()):
        if arch in WORDS:
            continue
        # "llama", "Llama-2" and "LlamaModel", but not the program ("llama.cpp", "llama-bench"), nor
        # "llama3", a way to scale rotary angles, nor "llama_4_scaling_beta", one of config.json's keys.
        spelt = re.compile(rf"(?<![A-Za-z0-9])(?i:{re.escape(arch)})(?![a-z0-9]|\.cpp|-bench|_4_scaling)")
        for name in project.files(r"(src|include)/.*\.(h|cpp|inc)"):
            if name in (own_file, f"{OWN}table.cpp") or name.startswith(FREE):
                continue
            for number, line in enumerate(project.text(name).splitlines(), 1):
                if spelt.search(line):
                    complaints.append(f"{name}:{number}: names the architecture {arch}")
    return complaints


TREE = {
    "src/models/arch/llama.cpp": """// Llama
Architecture llama() {
  return {"llama", {"llama", "LlamaForCausalLM", "MistralForCausalLM"}, load};
}
f("silu");
""",
    "src/models/arch/qwen2.cpp": "",
    "src/models/arch/table.cpp": """#include "models/arch/architecture.h"
Architecture table[] = {llama(), qwen2()};
""",
    "src/models/arch/attention.h": "",
    "src/models/arch/attention.cpp": '#include "models/arch/attention.h"',
    "src/tokenizer/gguf.cpp": 'if (type == "llama") {}',
    "src/llm/model.cpp": 'f("llama3", "silu");  // as llama.cpp does',
}
FINE = TREE
BROKEN = [
    ({**TREE, "src/llm/chat.cpp": '\nf("llama");\n'}, "chat.cpp:2: names the architecture llama"),
    ({**TREE, "include/quern/llm.h": "class LlamaModel;"}, "names the architecture llama"),
    ({**TREE, "src/llm/chat.cpp": 'f("mistral");'}, "names the architecture mistral"),
    ({**TREE, "src/models/arch/qwen2.cpp": "// like Llama"}, "qwen2.cpp:1: names the architecture"),
    ({**TREE, "src/models/arch/attention.h": "// for qwen2"}, "attention.h:1: names the architecture"),
]
