"""Hashes the ids that Hugging Face's tokenizers gives for each code point, block by block:
python3 hash_code_points.py tokenizer.json > clip_code_points.json"""
import json
import sys

from tokenizers import Tokenizer

BLOCK = 0x1000
BLOCKS = [*range(0x33), 0xE0]


def text_of(code):
    return f"a{chr(code)}1 {chr(code)}{chr(code)}. x {chr(code)}\n{chr(code)}"


def hash_block(tokenizer, block):
    codes = [c for c in range(block * BLOCK, (block + 1) * BLOCK) if c and not 0xD800 <= c < 0xE000]
    value = 0xCBF29CE484222325
    for encoding in tokenizer.encode_batch([text_of(c) for c in codes], add_special_tokens=False):
        for token in encoding.ids:
            value = (value ^ token) * 0x100000001B3 % 2**64
    return f"{value:016x}"


tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
json.dump({f"{block:x}": hash_block(tokenizer, block) for block in BLOCKS}, sys.stdout, indent=1)
print()
