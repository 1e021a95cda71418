"""Writes input_counts.txt beside this file from the schemas of the installed onnx. Usage: input_counts.py

A line for each operator and opset that changed how many inputs it takes: domain ("-" is ai.onnx), operator, opset, the
least, the most ("any" where there is no bound).
"""

import pathlib

import onnx.defs

ANY = 1 << 30  # the schemas say 2^31 - 1 of operators that take any number


def main():
    counts = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in ("", "ai.onnx.ml", "ai.onnx.preview.training"):
            counts.setdefault((schema.domain or "-", schema.name), {})[schema.since_version] = (
                schema.min_input,
                "any" if schema.max_input > ANY else schema.max_input,
            )
    lines = []
    for (domain, name), by_opset in sorted(counts.items()):
        before = None
        for since, count in sorted(by_opset.items()):
            if count != before:
                lines.append(f"{domain} {name} {since} {count[0]} {count[1]}\n")
            before = count
    pathlib.Path(__file__).with_suffix(".txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
