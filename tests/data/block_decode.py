"""Writes block_decode.bin: random blocks of every quantised GGUF type with the values they decode to.

For each type, in the order of quern's Encoding: BLOCKS blocks as stored, then their values in f32.
Both the `gguf` package and ggml's own library decode them, and must agree bit for bit (the package
has no Q8_K, Q1_0 and Q2_0, and neither has Q8_1, whose values are its scale times its codes). Needs gguf, numpy and libggml-base.so.
"""

import ctypes
import pathlib

import gguf
import numpy as np

BLOCKS = 4
# Type, name of ggml's decoder, offsets of the f16 fields, which must be finite.
TYPES = [
    ("Q4_0", "q4_0", [0]),
    ("Q4_1", "q4_1", [0, 2]),
    ("Q5_0", "q5_0", [0]),
    ("Q5_1", "q5_1", [0, 2]),
    ("Q8_0", "q8_0", [0]),
    ("MXFP4", "mxfp4", []),
    ("IQ4_NL", "iq4_nl", [0]),
    ("Q2_K", "q2_K", [80, 82]),
    ("Q3_K", "q3_K", [108]),
    ("Q4_K", "q4_K", [0, 2]),
    ("Q5_K", "q5_K", [0, 2]),
    ("Q6_K", "q6_K", [208]),
    ("Q8_K", "q8_K", []),
    ("IQ4_XS", "iq4_xs", [0]),
    ("TQ1_0", "tq1_0", [52]),
    ("TQ2_0", "tq2_0", [64]),
    ("Q8_1", None, [0, 2]),
    ("NVFP4", "nvfp4", []),
    ("Q1_0", "q1_0", [0]),
    ("Q2_0", "q2_0", [0]),
    ("IQ1_S", "iq1_s", [0]),
    ("IQ1_M", "iq1_m", "spread"),
    ("IQ2_XXS", "iq2_xxs", [0]),
    ("IQ2_XS", "iq2_xs", [0]),
    ("IQ2_S", "iq2_s", [0]),
    ("IQ3_XXS", "iq3_xxs", [0]),
    ("IQ3_S", "iq3_s", [0]),
]


def random_blocks(rng, size, f16_fields, is_q8_k):
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    if f16_fields == "spread":  # four bits at the top of each of the last four words
        blocks[:, 55] &= 0xBF  # an exponent below that of inf
        f16_fields = []
    for at in f16_fields:
        bits = rng.integers(0, 31 << 10, BLOCKS, dtype=np.uint16)  # an exponent below that of inf
        bits |= rng.integers(0, 2, BLOCKS, dtype=np.uint16) << 15
        blocks[:, at : at + 2] = bits[:, None].view(np.uint8)
    if is_q8_k:
        blocks[:, :4] = rng.standard_normal((BLOCKS, 1)).astype(np.float32).view(np.uint8)
    return blocks


def main():
    rng = np.random.default_rng(20240517)
    ggml = ctypes.CDLL("libggml-base.so")
    data = b""
    for name, decoder, f16_fields in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        values_per_block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random_blocks(rng, size, f16_fields, name == "Q8_K")
        values = np.empty(BLOCKS * values_per_block, np.float32)
        if decoder is None:
            scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
            values = (scales * blocks[:, 4:].view(np.int8).astype(np.float32)).ravel()
        else:
            getattr(ggml, "dequantize_row_" + decoder)(
                blocks.ctypes.data_as(ctypes.c_void_p), values.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(values.size)
            )
        if name not in ("Q8_K", "Q8_1", "Q1_0", "Q2_0"):
            by_package = gguf.quants.dequantize(blocks.reshape(-1), kind)
            assert (by_package.view(np.uint32) == values.view(np.uint32)).all(), name
        assert not np.isnan(values).any(), name
        data += blocks.tobytes() + values.tobytes()
    pathlib.Path(__file__).with_suffix(".bin").write_bytes(data)


main()
