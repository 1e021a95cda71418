"""Writes open_files.json: what Python reads from the model files of the shared test data.

Usage: open_files.py SHARED_FOLDER. Needs gguf, safetensors and numpy. For each file: the number of
tensors, a CRC-32 of "name type shape" lines in the order of names, a CRC-32 of all values (of GGUF,
as f32) in that order, and the first values of one tensor; of GGUF also the number of metadata keys,
the architecture, and the number and CRC-32 of the vocabulary's tokens.
"""

import json
import pathlib
import sys
import zlib

import gguf
import numpy as np
from safetensors import safe_open


def describe(tensors):
    """tensors: name -> (type, shape, values)"""
    listing, values = "", 0
    for name in sorted(tensors, key=str.encode):
        kind, shape, array = tensors[name]
        listing += f"{name} {kind} [{', '.join(map(str, shape))}]\n"
        values = zlib.crc32(np.ascontiguousarray(array).tobytes(), values)
    record = {"tensors": len(tensors), "listing": zlib.crc32(listing.encode()), "values": values}
    if tensors:
        name = min(tensors, key=str.encode)
        first = tensors[name][2].ravel()[:3].astype(np.float64)
        record["sample"] = {"name": name, "first": first.tolist()}
    return record


def of_gguf(path):
    reader = gguf.GGUFReader(path)
    tensors = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape = [int(dim) for dim in reversed(tensor.shape)]
        tensors[tensor.name] = (tensor.tensor_type.name.lower(), shape, values)
    record = describe(tensors)
    record["keys"] = len([key for key in reader.fields if not key.startswith("GGUF.")])
    record["architecture"] = reader.fields["general.architecture"].contents()
    tokens = reader.fields["tokenizer.ggml.tokens"]
    record["tokens"] = len(tokens.data)
    record["token_bytes"] = zlib.crc32(b"\n".join(bytes(tokens.parts[i]) for i in tokens.data))
    return record


def of_safetensors(path):
    tensors = {}
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():
            values = file.get_tensor(name)
            tensors[name] = (file.get_slice(name).get_dtype().lower(), list(values.shape), values)
    return describe(tensors)


def main():
    root = pathlib.Path(sys.argv[1])
    records = {}
    for folder in ["golden", "llm", "tokenizers/gguf"]:
        for path in sorted((root / folder).rglob("*.gguf")):
            records[str(path.relative_to(root))] = of_gguf(path)
        for path in sorted((root / folder).rglob("*.safetensors")):
            records[str(path.relative_to(root))] = of_safetensors(path)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in records.items())
    pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + lines + "\n}\n")


main()
