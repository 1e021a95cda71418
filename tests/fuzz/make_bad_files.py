"""Writes the corpus: small files, good/ valid and bad/ each wrong in the one way its name says.

A name that begins with "unsupported_" is valid to its format, and refused as such. Files that a
fuzzer found are kept beside these, as found_*, and are not made here. Needs nothing but Python.
"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
SCALARS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
BLOCKS = {  # GGUF tensor type: id, values and bytes of a block
    "f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22),
    "q5_1": (7, 32, 24), "q8_0": (8, 32, 34), "q2_k": (10, 256, 84), "q3_k": (11, 256, 110),
    "q4_k": (12, 256, 144), "q5_k": (13, 256, 176), "q6_k": (14, 256, 210), "q8_k": (15, 256, 292),
    "iq4_nl": (20, 32, 18), "iq4_xs": (23, 256, 136), "i8": (24, 1, 1), "i16": (25, 1, 2), "i32": (26, 1, 4),
    "i64": (27, 1, 8), "f64": (28, 1, 8), "bf16": (30, 1, 2), "tq1_0": (34, 256, 54), "tq2_0": (35, 256, 66),
    "mxfp4": (39, 32, 17),
}  # fmt: skip


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    return string(value) if kind == STRING else struct.pack("<" + SCALARS[kind], value)


def pair(key, kind, value):
    return string(key) + struct.pack("<I", kind) + scalar(kind, value)


def array(key, kind, values, count=None):
    head = struct.pack("<IIQ", ARRAY, kind, len(values) if count is None else count)
    return string(key) + head + b"".join(scalar(kind, value) for value in values)


def info(name, dims, kind, offset):
    """A row of the table of tensors; dims innermost first."""
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def gguf(pairs=(), infos=(), data=b"", version=3, tensors=None, count=None, magic=b"GGUF", alignment=32):
    tensors = len(infos) if tensors is None else tensors
    count = len(pairs) if count is None else count
    head = magic + struct.pack("<IQQ", version, tensors, count) + b"".join(pairs) + b"".join(infos)
    return head + bytes(-len(head) % alignment if data else 0) + data


ARCHITECTURE = pair("general.architecture", STRING, "llama")


def all_scalars():
    values = {U8: 200, I8: -3, U16: 60000, I16: -300, U32: 4000000000, I32: -5, F32: 0.5, BOOL: 1, U64: 7, I64: -7, F64: 0.25}
    pairs = [pair(f"k.{kind}", kind, value) for kind, value in values.items()]
    return [*pairs, pair("k.string", STRING, "text")]


def all_arrays():
    pairs = [array(f"a.{kind}", kind, [0, 1, 1]) for kind in SCALARS]
    return [*pairs, array("a.string", STRING, ["a", "", "bc"]), array("a.empty", U32, [])]


def every_type():
    infos, data = [], b""
    for name, (kind, values, size) in BLOCKS.items():
        infos.append(info(f"t.{name}", [values, 2], kind, len(data)))
        block = bytes((7 * i + size) % 251 for i in range(2 * size))
        data += block + bytes(-len(block) % 32)
    return infos, data


def good_gguf():
    infos, data = every_type()
    one = info("a", [4], 0, 0)
    return {
        "empty": gguf(),
        "version_2": gguf([ARCHITECTURE], version=2),
        "every_metadata_type": gguf(all_scalars() + all_arrays()),
        "every_tensor_type": gguf([ARCHITECTURE], infos, data),
        "alignment_8": gguf([pair("general.alignment", U32, 8)], [one, info("b", [2, 1], 1, 16)], bytes(20), alignment=8),
        "unaligned_tensors": gguf([pair("general.alignment", U32, 1)], [info("x", [3], 24, 0), info("a", [4], 0, 3)], bytes(19), alignment=1),
        "scalar_and_empty_tensors": gguf([], [info("s", [], 0, 0), info("e", [0, 3], 0, 32)], bytes(32)),
        "gap_between_tensors": gguf([], [one, info("b", [4], 0, 64)], bytes(80)),
        "u64_past_i64": gguf([pair("k", U64, 1 << 63), array("a", U64, [1, 1 << 63])]),
    }


def bad_gguf():
    one = info("a", [4], 0, 0)
    valid = gguf([ARCHITECTURE, array("tokens", STRING, ["a", "b"])], [one], bytes(16))
    huge = (1 << 64) - 1
    top = 1 << 63
    infos, data = every_type()
    return {
        "empty_magic_only": b"GGUF",
        "magic_wrong": gguf([ARCHITECTURE], magic=b"GGML"),
        "version_0": gguf(version=0),
        "unsupported_version_1": gguf(version=1),
        "unsupported_version_4": gguf(version=4),
        "unsupported_big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "truncated_counts": valid[:20],
        "truncated_key": valid[:30],
        "truncated_value": gguf([ARCHITECTURE])[:-2],
        "truncated_array": gguf([array("tokens", STRING, ["a", "b"])])[:-5],
        "truncated_tensor_table": gguf([ARCHITECTURE], [one])[:-3],
        "truncated_data": valid[:-1],
        "truncated_before_data": gguf([ARCHITECTURE], [one]),
        "pair_count_huge": gguf([ARCHITECTURE], count=huge),
        "pair_count_too_large": gguf([ARCHITECTURE], [one], bytes(16), count=3),
        "tensor_count_huge": gguf([], [one], bytes(16), tensors=huge),
        "tensor_count_too_large": gguf([], [one], bytes(16), tensors=2),
        "key_length_huge": gguf([struct.pack("<Q", huge) + b"key"]),
        "key_empty": gguf([pair("", U8, 0)]),
        "key_twice": gguf([pair("k", U8, 0), pair("k", U8, 1)]),
        "string_length_huge": gguf([string("k") + struct.pack("<IQ", STRING, top)]),
        "string_length_wraps": gguf([string("k") + struct.pack("<IQ", STRING, huge - 3) + b"abcd"]),
        "metadata_type_unknown": gguf([string("k") + struct.pack("<I", 13) + bytes(8)]),
        "boolean_of_2": gguf([pair("k", BOOL, 2)]),
        "boolean_of_2_in_array": gguf([array("k", BOOL, [0, 1, 2])]),
        "array_type_unknown": gguf([string("k") + struct.pack("<IIQ", ARRAY, 99, 1) + bytes(8)]),
        "array_length_huge": gguf([array("k", U32, [1, 2], count=huge)]),
        "array_length_times_size_wraps": gguf([array("k", U64, [1, 2], count=(1 << 61) + 2)]),
        "array_past_the_end": gguf([array("k", U64, [1, 2], count=1 << 23)]),
        "array_of_strings_past_the_end": gguf([array("k", STRING, ["a"], count=1 << 23)]),
        "array_of_strings_huge": gguf([array("k", STRING, ["a"], count=1 << 40)]),
        "unsupported_array_of_arrays": gguf([string("k") + struct.pack("<IIQ", ARRAY, ARRAY, 1) + struct.pack("<IQ", U8, 0)]),
        "unsupported_arrays_nested_deep": gguf([string("k") + struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 2000]),
        "alignment_0": gguf([pair("general.alignment", U32, 0)], [one], bytes(16)),
        "alignment_24": gguf([pair("general.alignment", U32, 24)], [one], bytes(16)),
        "alignment_negative": gguf([pair("general.alignment", I64, -top)], [one], bytes(16)),
        "alignment_a_string": gguf([pair("general.alignment", STRING, "32")], [one], bytes(16)),
        "alignment_past_the_end": gguf([pair("general.alignment", I64, 1 << 62)], [one], bytes(16)),
        "name_length_huge": gguf([], [struct.pack("<Q", huge) + bytes(40)]),
        "name_twice": gguf([], [one, info("a", [4], 0, 32)], bytes(48)),
        "rank_5": gguf([], [info("a", [1] * 5, 0, 0)], bytes(4)),
        "rank_huge": gguf([], [string("a") + struct.pack("<I", 0xFFFFFFFF) + bytes(64)]),
        "shape_negative": gguf([], [info("a", [top + 1], 0, 0)], bytes(16)),
        "shape_overflows": gguf([], [info("a", [1 << 32, 1 << 32], 0, 0)], bytes(16)),
        "shape_bytes_overflow": gguf([], [info("a", [1 << 61, 2], 0, 0)], bytes(16)),
        "shape_overflows_around_0": gguf([], [info("a", [1 << 62, 1 << 62, 0], 0, 0)], bytes(16)),
        "shape_past_the_end": gguf([], [info("a", [5], 0, 0)], bytes(16)),
        "shape_past_the_end_in_blocks": gguf([], [info("a", [256, 3], 12, 0)], bytes(288)),
        "blocks_not_whole": gguf([], [info("a", [48], 2, 0)], bytes(64)),
        "blocks_without_an_axis": gguf([], [info("a", [], 8, 0)], bytes(64)),
        "offset_unaligned": gguf([], [info("a", [4], 0, 4)], bytes(64)),
        "offset_past_the_end": gguf([], [info("a", [4], 0, 64)], bytes(64)),
        "offset_huge": gguf([], [info("a", [4], 0, huge - 31)], bytes(64)),
        "tensors_overlap": gguf([], [info("a", [16], 0, 0), info("b", [4], 0, 32)], bytes(64)),
        "tensors_share_a_place": gguf([], [one, info("b", [4], 0, 0)], bytes(16)),
        "truncated_in_every_type": gguf([], infos, data[: -len(data) % 32 - 40]),
        "unsupported_tensor_type_removed": gguf([], [info("a", [32], 4, 0)], bytes(64)),
        "unsupported_tensor_type_unknown": gguf([], [info("a", [4], 0xFFFFFFFF, 0)], bytes(16)),
    }


def entry(dtype="F32", shape=(4,), offsets=(0, 16), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def safetensors(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}


def every_dtype():
    header, begin = {}, 0
    for dtype, size in SIZES.items():
        header[dtype.lower()] = entry(dtype, [2, 3], [begin, begin + 6 * size])
        begin += 6 * size
    return safetensors(header, bytes(i % 2 for i in range(begin)))


def good_safetensors():
    return {
        "empty": safetensors({}),
        "every_dtype": every_dtype(),
        "metadata": safetensors({"__metadata__": {"format": "pt"}, "a": entry()}, bytes(16)),
        "padded_header": safetensors(json.dumps({"a": entry()}).encode() + b"   ", bytes(16)),
        "unaligned_tensors": safetensors({"x": entry("U8", [3], [0, 3]), "a": entry(offsets=[3, 19])}, bytes(19)),
        "scalar_and_empty_tensors": safetensors({"s": entry(shape=[], offsets=[0, 4]), "e": entry(shape=[0, 3], offsets=[4, 4])}, bytes(4)),
        "unknown_member": safetensors({"a": entry(note=[1])}, bytes(16)),
    }


def bad_safetensors():
    two = {"a": entry(), "b": entry(offsets=[16, 32])}
    twice = b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}"
    text = json.dumps({"a": entry()}).encode()
    return {
        "header_length_truncated": b"\x10\0\0\0",
        "header_length_0": struct.pack("<Q", 0),
        "header_length_huge": safetensors(text, bytes(16), size=(1 << 64) - 1),
        "header_length_past_the_limit": safetensors(text, bytes(16), size=100_000_001),
        "header_length_past_the_end": safetensors(text, bytes(16), size=len(text) + 17),
        "header_length_short": safetensors(text, bytes(16), size=len(text) - 1),
        "header_not_an_object": safetensors(b"[1, 2]"),
        "header_not_json": safetensors(b"{oops}"),
        "header_not_utf8": safetensors(b'{"\xff": ' + json.dumps(entry()).encode() + b"}", bytes(16)),
        "header_begins_with_space": safetensors(b" " + text, bytes(16)),
        "header_nested_deep": safetensors(b'{"a":' * 1000 + b"1" + b"}" * 1000),
        "name_twice": safetensors(twice, bytes(16)),
        "metadata_not_an_object": safetensors({"__metadata__": 3}),
        "metadata_value_not_a_string": safetensors({"__metadata__": {"epochs": 3}}),
        "tensor_not_an_object": safetensors({"a": [1]}),
        "dtype_missing": safetensors({"a": {"shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
        "dtype_not_a_string": safetensors({"a": entry(dtype=7)}, bytes(16)),
        "unsupported_dtype_f8": safetensors({"a": entry("F8_E4M3", [4], [0, 4])}, bytes(4)),
        "unsupported_dtype_unknown": safetensors({"a": entry("F33")}, bytes(16)),
        "unsupported_rank_13": safetensors({"a": entry(shape=[1] * 13, offsets=[0, 4])}, bytes(4)),
        "shape_missing": safetensors({"a": {"dtype": "F32", "data_offsets": [0, 16]}}, bytes(16)),
        "shape_negative": safetensors({"a": entry(shape=[-4])}, bytes(16)),
        "shape_fractional": safetensors({"a": entry(shape=[4.5])}, bytes(16)),
        "shape_past_i64": safetensors({"a": entry(shape=[1 << 63])}, bytes(16)),
        "shape_overflows": safetensors({"a": entry(shape=[1 << 32, 1 << 32])}, bytes(16)),
        "shape_bytes_overflow": safetensors({"a": entry(shape=[1 << 62, 4])}, bytes(16)),
        "shape_overflows_around_0": safetensors({"a": entry(shape=[0, 1 << 62, 1 << 62], offsets=[0, 0])}),
        "shape_too_small": safetensors({"a": entry(shape=[3])}, bytes(16)),
        "offsets_missing": safetensors({"a": {"dtype": "F32", "shape": [4]}}, bytes(16)),
        "offsets_not_two": safetensors({"a": entry(offsets=[0, 16, 16])}, bytes(16)),
        "offsets_negative": safetensors({"a": entry(offsets=[-16, 0])}, bytes(16)),
        "offsets_reversed": safetensors({"a": entry(offsets=[16, 0])}, bytes(16)),
        "offsets_past_i64": safetensors({"a": entry(offsets=[0, 1 << 64])}, bytes(16)),
        "offsets_past_the_end": safetensors({"a": entry(shape=[5], offsets=[0, 20])}, bytes(16)),
        "tensors_overlap": safetensors({"a": entry(), "b": entry(offsets=[8, 24])}, bytes(24)),
        "tensors_share_a_place": safetensors({"a": entry(), "b": entry()}, bytes(16)),
        "hole_at_the_start": safetensors({"a": entry(offsets=[4, 20])}, bytes(20)),
        "hole_between_tensors": safetensors({"a": entry(), "b": entry(offsets=[20, 36])}, bytes(36)),
        "data_left_over": safetensors({"a": entry()}, bytes(17)),
        "data_without_tensors": safetensors({}, bytes(1)),
        "data_truncated": safetensors(two, bytes(31)),
        "boolean_of_2": safetensors({"a": entry("BOOL", [3], [0, 3])}, bytes([0, 1, 2])),
    }


def good_json():
    config = {"hidden_size": 64, "rope_scaling": {"factor": 8.0, "type": "llama3"}, "archs": ["a", "b"], "none": None, "tie": True}
    return {
        "config": json.dumps(config, indent=2).encode(),
        "scalars": b'[0, -1, 1.5e-3, 18446744073709551615, true, false, null, "\\u00e9\\ud83d\\ude00\\n"]',
        "nested_64": b"[" * 64 + b"]" * 64,
    }


def bad_json():
    return {
        "blank": b" \n",
        "truncated": b'{"a": [1, 2',
        "trailing_comma": b"[1, 2,]",
        "trailing_text": b"{} {}",
        "key_twice": b'{"a": 1, "b": {"a": 1}, "a": 2}',
        "key_not_a_string": b"{1: 2}",
        "nested_65": b"[" * 65 + b"]" * 65,
        "nested_deep": b'[{"a":' * 2000,
        "not_utf8": b'"\xc3\x28"',
        "surrogate_alone": b'"\\ud83d"',
        "control_character": b'"a\x01b"',
        "number_too_large": b"[1e400]",
        "not_a_number": b"[NaN]",
        "comment": b"[1] // one",
        "zero_byte": b"[1]\0",
        "zero_byte_then_more": b"[1]\0[2]",
    }


def good_body():
    message = {"role": "user", "content": "h\u00e9\U0001f600 \"x\" \\ \n"}
    return {
        **good_json(),
        "chat": json.dumps({"model": "story", "messages": [message] * 2, "stop": None, "top_p": 0.5}).encode(),
        "numbers": b"[-0, 1e400, -1E+400, 1e-999, 123456789012345678901234567890, 0.1]",
        "key_twice": b'{"a": 1, "b": {"a": 1}, "a": 2}',
    }


def bad_body():
    as_they_are = ["key_twice", "number_too_large"]  # a view takes them: who asks for members or a number refuses
    return {name: data for name, data in bad_json().items() if name not in as_they_are}


def tensor(datatype, shape, binary=None, size=None, **more):
    if binary is not None:
        more["parameters"] = {"binary_data_size": len(binary) if size is None else size}
    text = json.dumps({"name": "x", "datatype": datatype, "shape": shape, **more}).encode()
    return text if binary is None else text + b"\0" + binary


def texts(*parts):
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def good_tensor():
    return {
        "floats": tensor("FP32", [2, 2], data=[[1.5, "NaN"], ["-Infinity", None]]),
        "words": b'{"name":"x","datatype":"FP64","shape":[3],"data":[NaN,Infinity,-1e300]}',
        "integers": tensor("UINT64", [2, 1], data=[18446744073709551615, 0]),
        "strings": tensor("BYTES", [2], data=["a", "\u00e9\u0000"]),
        "binary_floats": tensor("FP32", [2, 2], struct.pack("<4f", 1, 2, float("nan"), 4)),
        "binary_halves": tensor("FP16", [3], struct.pack("<3e", 1, 2, 3)),
        "binary_bools": tensor("BOOL", [4], bytes([0, 1, 1, 0])),
        "binary_strings": tensor("BYTES", [3], texts(b"a", b"", b"\xff\0b")),
        "binary_none": tensor("INT8", [0, 3], b""),
    }


def bad_tensor():
    many = [65536] * 4
    return {
        "data_missing": tensor("FP32", [1]),
        "data_short": tensor("FP32", [3], data=[1, 2]),
        "data_of_another_type": tensor("INT8", [1], data=[300]),
        "data_beside_binary": tensor("FP32", [1], bytes(4), data=[1]),
        "datatype_unknown": tensor("FP128", [1], bytes(16)),
        "shape_negative": tensor("FP32", [-1], bytes(4)),
        "shape_wraps": tensor("FP32", many, bytes(4)),
        "shape_wraps_beside_0": tensor("FP32", [0, *many], b""),
        "rank_past_the_limit": tensor("FP32", [1] * 70, bytes(4)),
        "size_huge": tensor("FP32", [1], bytes(4), size=2**63),
        "size_past_the_end": tensor("FP32", [2], bytes(4), size=8),
        "size_not_whole": tensor("FP32", [1], bytes(5)),
        "bool_of_2": tensor("BOOL", [1], b"\2"),
        "string_past_the_end": tensor("BYTES", [1], struct.pack("<I", 2**32 - 1) + b"a"),
        "strings_too_few": tensor("BYTES", [2], texts(b"abcdefgh")),
        "strings_too_many": tensor("BYTES", [1], texts(b"a", b"b")),
        "zero_byte_in_text": b'{"name":"x"\0,"datatype":"FP32","shape":[1],"data":[1]}',
    }


GPT2 = {"tokens": ["a", "b", "ab", "<s>"], "token_type": [1, 1, 1, 3], "merges": ["a b"], "eos_token_id": 3}
LLAMA = {"tokens": ["<unk>", "a", "b", "ab"], "token_type": [2, 1, 1, 1], "scores": [0.0, -1.0, -2.0, -3.0], "unknown_token_id": 0}
KINDS = {"tokens": STRING, "token_type": I32, "merges": STRING, "scores": F32}


def vocabulary(model, base, more=(), without=(), **changes):
    pairs = [pair("tokenizer.ggml.model", STRING, model), *more]
    for name, value in {**base, **changes}.items():
        if name in KINDS and name not in without:
            pairs.append(array(f"tokenizer.ggml.{name}", KINDS[name], value))
        elif name not in without:
            pairs.append(pair(f"tokenizer.ggml.{name}", U32, value))
    return gguf(pairs)


def tokenizer_json(model=(), **changes):
    full = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], **dict(model)},
        "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
        "post_processor": {"type": "BertProcessing", "sep": ["<s>", 3], "cls": ["<s>", 3]},
        "decoder": {"type": "ByteLevel"},
    }
    return json.dumps({**full, **changes}).encode()


def split(regex, behavior="Isolated"):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": False}


def good_tokenizer():
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first"}
    template = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"ids": [3]}},
    }
    bytes_too = {"vocab": {"a": 0, "b": 1, "ab": 2, "<0x0A>": 4}, "byte_fallback": True, "merges": [["a", "b"]]}
    prepend = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    strip = {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return {
        "end_past_the_vocabulary": vocabulary("gpt2", GPT2, eos_token_id=4),
        "bytes_in_gguf": vocabulary("gpt2", GPT2),
        "pieces_in_gguf": vocabulary("llama", LLAMA),
        "patterns_in_gguf": vocabulary("gpt2", GPT2, [pair("tokenizer.ggml.pre", STRING, "deepseek-llm")]),
        "bytes": tokenizer_json(),
        "pattern": tokenizer_json(pre_tokenizer=split(r"\p{N}{1,3}|[^\r\n]?\p{L}+|\s+(?!\S)")),
        "marks": tokenizer_json(pre_tokenizer=metaspace, decoder=metaspace, post_processor=template),
        "characters": tokenizer_json(bytes_too, pre_tokenizer=None, normalizer=prepend, decoder=strip),
    }


def bad_tokenizer():
    step = {"type": "Other"}
    return {
        "tokens_missing": vocabulary("gpt2", GPT2, without=["tokens"]),
        "tokens_none": vocabulary("gpt2", GPT2, tokens=[], token_type=[]),
        "tokens_twice": vocabulary("gpt2", GPT2, tokens=["a", "b", "ab", "a"]),
        "kinds_too_few": vocabulary("gpt2", GPT2, token_type=[1, 1]),
        "kind_unknown": vocabulary("gpt2", GPT2, token_type=[1, 1, 1, 9]),
        "merges_missing": vocabulary("gpt2", GPT2, without=["merges"]),
        "merge_of_one": vocabulary("gpt2", GPT2, merges=["ab"]),
        "merge_empty": vocabulary("gpt2", GPT2, merges=[""]),
        "merge_of_no_token": vocabulary("gpt2", GPT2, merges=["a c"]),
        "merge_to_no_token": vocabulary("gpt2", GPT2, merges=["b a"]),
        "scores_missing": vocabulary("llama", LLAMA, without=["scores"]),
        "scores_too_few": vocabulary("llama", LLAMA, scores=[0.0]),
        "score_not_a_number": vocabulary("llama", LLAMA, scores=[0.0, float("nan"), 0.0, 0.0]),
        "unsupported_model_in_gguf": vocabulary("bert", GPT2),
        "unsupported_pre_tokenizer_in_gguf": vocabulary("gpt2", GPT2, [pair("tokenizer.ggml.pre", STRING, "other")]),
        "model_missing": b"{}",
        "vocab_empty": tokenizer_json({"vocab": {}}),
        "vocab_id_negative": tokenizer_json({"vocab": {"a": -1}}),
        "vocab_id_huge": tokenizer_json({"vocab": {"a": 2000000}}),
        "vocab_id_twice": tokenizer_json({"vocab": {"a": 1, "b": 1, "ab": 2}}),
        "vocab_id_not_a_number": tokenizer_json({"vocab": {"a": "0"}}),
        "merge_of_three": tokenizer_json({"merges": ["a b ab"]}),
        "merge_not_text": tokenizer_json({"merges": [3]}),
        "added_token_on_another": tokenizer_json(added_tokens=[{"id": 1, "content": "<s>"}]),
        "template_id_past_the_end": tokenizer_json(post_processor={"type": "BertProcessing", "sep": ["", 3], "cls": ["", 9]}),
        "type_not_text": tokenizer_json(normalizer={"type": 1}),
        "unsupported_model": tokenizer_json({"type": "Unigram"}),
        "unsupported_normalizer": tokenizer_json(normalizer=step),
        "unsupported_pre_tokenizer": tokenizer_json(pre_tokenizer=step),
        "unsupported_post_processor": tokenizer_json(post_processor=step),
        "unsupported_decoder": tokenizer_json(decoder=step),
        "unsupported_pattern": tokenizer_json(pre_tokenizer=split("(a")),
        "unsupported_pattern_without_end": tokenizer_json(pre_tokenizer=split(r"((\W|\w|<)+)+(x|y)\1$")),
        "unsupported_growth": tokenizer_json(normalizer={"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 30}),
    }


def image(name):
    return (CORPUS / "good" / name).read_bytes()


def changed(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def bad_images():
    """The good ones are tests/data/image_formats.py's, as it needs Pillow to make them."""
    bmp, png, pnm, webp, tif = (image(f"{name}") for name in ("RGB.bmp", "RGB.png", "RGB.pnm", "lossy.webp", "tiff_lzw.tif"))
    jpg, jp2 = image("progressive.jpg"), image("codestream.jp2")
    huge = b"\xff\xff\xff\x7f"
    grid, coding = jp2.find(b"\xff\x51"), jp2.find(b"\xff\x52")
    return {
        "header_length_unknown.bmp": changed(bmp, 14, b"\x07"),
        "width_negative.bmp": changed(bmp, 18, b"\xff\xff\xff\xff"),
        "bits_of_a_pixel_5.bmp": changed(bmp, 28, b"\x05"),
        "pixels_past_the_end.bmp": changed(bmp, 10, b"\xff\xff\xff\x7f"),
        "height_past_the_end.bmp": changed(bmp, 22, b"\xff\x00"),
        "unsupported_width_huge.bmp": changed(bmp, 18, huge),
        "unsupported_compression.bmp": changed(bmp, 30, b"\x01"),
        "truncated.png": png[: len(png) // 2],
        "checksum_wrong.png": changed(png, 29, b"\0\0\0\0"),
        "without_a_header.png": png[:8] + png[33:],
        "truncated.jpg": jpg[: len(jpg) // 2],
        "without_an_end.jpg": jpg[:-2],
        "size_0.jpg": changed(jpg, jpg.find(b"\xff\xc2") + 5, b"\0\0\0\0"),
        "truncated.pnm": pnm[:-1],
        "width_huge.pnm": b"P6 99999999999 1 255\n",
        "largest_value_0.pnm": b"P5 1 1 0\n\0",
        "unsupported_size.pnm": b"P5 99999999 99999999 255\n\0",
        "truncated.webp": webp[: len(webp) // 2],
        "chunk_length_huge.webp": changed(webp, 16, b"\xff\xff\xff\x7f"),
        "truncated.tif": tif[: len(tif) // 2],
        "directory_past_the_end.tif": changed(tif, 4, b"\xff\xff\xff\x7f"),
        "truncated.jp2": jp2[: len(jp2) // 2],
        "size_0.jp2": changed(jp2, grid + 6, b"\0\0\0\0"),
        "unsupported_tiles_by_the_million.jp2": changed(jp2, grid + 6, (b"\0\0\x20\0" * 2) + bytes(8) + b"\0\0\0\1" * 2),
        "unsupported_components.jp2": changed(jp2, grid + 38, b"\x40\0"),
        "unsupported_blocks_by_the_million.jp2": changed(
            changed(jp2, grid + 6, (b"\0\0\x20\0" * 2) + bytes(8) + b"\0\0\x20\0" * 2), coding + 10, b"\0\0"),
    }


def write(kind, extension, files):
    folder = CORPUS / kind
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.{extension}").write_bytes(data)


def main():
    for extension in ["gguf", "safetensors", "json", "tokenizer", "body", "tensor"]:
        for kind in ["good", "bad"]:
            write(kind, extension, globals()[f"{kind}_{extension}"]())
    for name, data in bad_images().items():
        (CORPUS / "bad" / name).write_bytes(data)


main()
