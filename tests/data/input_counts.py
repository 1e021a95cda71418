"""Prints the rows of src/onnx/import/input_counts.cpp from the schemas of the installed onnx. Usage: input_counts.py"""

import textwrap

import onnx.defs

ANY = 1 << 30  # the schemas say 2^31 - 1 of operators that take any number


def main():
    counts = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in ("", "ai.onnx.ml"):
            counts.setdefault((schema.domain, schema.name), {})[schema.since_version] = schema.max_input
    rows = []
    for (domain, name), by_opset in sorted(counts.items()):
        if all(most > ANY for most in by_opset.values()):
            continue
        before = None
        for since, most in sorted(by_opset.items()):
            if most != before:
                rows.append(f'{{"{domain}", "{name}", {since}, {"kUnlimited" if most > ANY else most}}},')
            before = most
    # Spaces within a row must not break it.
    text = textwrap.fill(" ".join(row.replace(" ", "~") for row in rows), 100, initial_indent="    ",
                         subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    print(text.replace("~", " "))


if __name__ == "__main__":
    main()
