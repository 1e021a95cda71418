"""The inputs of goldens: values that Python and C++ (tests/support/golden_inputs.h) compute by one formula, so that only outputs are stored."""

import re

import numpy as np
import torch

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "i16": torch.int16,
    "u16": torch.uint16,
    "i32": torch.int32,
    "u32": torch.uint32,
    "i64": torch.int64,
    "u64": torch.uint64,
    "bool": torch.bool,
}
FLOATS = ("f32", "f64", "f16", "bf16")
NAN, INF = float("nan"), float("inf")
EDGES = (NAN, INF, -INF, -0.0, 0.0, 1e30, -1e30, 88.5, -88.5, -1000.0, 20.5, -20.5)


def hashes(seed, count):
    """Bits that depend on seed and place alone (the mixing function is Chris Wellons' "lowbias32")."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


def units(seed, count):
    """Multiples of 2^-23 in [-1, 1), which f32 holds exactly."""
    return (hashes(seed, count) >> 8).astype(np.float64) * 2.0**-23 - 1.0


def with_row_edges(values, row_size):
    rows = values.reshape(-1, row_size)
    for r in range(rows.shape[0]):
        column, kind = r % row_size, r % 6
        if kind == 1:
            rows[r, column] = NAN
        elif kind == 2:
            rows[r, column] = INF
        elif kind == 3:
            rows[r] = -INF
        elif kind == 4:
            rows[r, column] = -INF
        elif kind == 5:
            rows[r] *= -1e4
    return rows.reshape(-1)


def float_values(seed, count, kind, row_size):
    values = units(seed, count)
    if kind == "wide":
        return values * 100
    if kind == "positive":
        return values + 1 + 2.0**-10
    if kind == "edge":
        for i in range(0, count, 2):
            values[i] = EDGES[i // 2 % len(EDGES)]
    if kind == "row_edge":
        return with_row_edges(values, row_size)
    return values


def int_values(seed, count, dtype, kind):
    """Python integers, which neither wrap nor round."""
    bits = [int(h) for h in hashes(seed, count)]
    if dtype == "bool":
        return [h & 1 for h in bits]
    signed = dtype[0] == "i"
    if kind.startswith("ids"):
        return [h % int(kind[3:]) for h in bits]
    if kind.startswith("signed_ids"):
        limit = int(kind[10:])
        return [h % (2 * limit) - limit for h in bits]
    if kind in ("full", "nonzero"):
        more = [int(h) for h in hashes(seed + 100, count)]
        wide = [wrap(h << 32 | m, dtype) for h, m in zip(bits, more)]
        return [v or 1 for v in wide] if kind == "nonzero" else wide
    return [h % 201 - (100 if signed else 0) for h in bits]


def wrap(value, dtype):
    if dtype == "bool":
        return int(bool(value))
    bits = int(dtype[1:])
    value %= 1 << bits
    return value - (1 << bits) if dtype[0] == "i" and value >> (bits - 1) else value


def make_input(text, seed):
    """`dtype[sizes]~kind` as (dtype, array): f64 values that the dtype holds, or Python integers. A size followed
    by `x` is a broadcast axis: one value repeated."""
    dtype, sizes, kind = re.fullmatch(r"(\w+)\[([\dx,]*)\](?:~(\w+))?", text).groups()
    shape = [int(s.rstrip("x")) for s in sizes.split(",") if s]
    stored = [1 if s.endswith("x") else int(s) for s in sizes.split(",") if s]
    count = int(np.prod(stored, dtype=np.int64))
    if dtype in FLOATS:
        values = float_values(seed, count, kind or "", stored[-1] if stored else 1)
        array = torch.tensor(values, dtype=torch.float64).to(torch.float32).to(DTYPES[dtype]).double().numpy()
    else:
        array = np.array(int_values(seed, count, dtype, kind or ""), dtype=object)
    return dtype, np.broadcast_to(array.reshape(stored), shape)


def parse(case):
    """`op(input, ..., key=value, ...)` as (op, inputs, options)."""
    op, inside = re.fullmatch(r"(\w+)\((.*)\)", case).groups()
    parts = re.findall(r"(?:[^,\[]|\[[^\]]*\])+", inside)
    inputs = [p.strip() for p in parts if "=" not in p]
    options = dict(p.strip().split("=") for p in parts if "=" in p)
    return op, [make_input(text, seed) for seed, text in enumerate(inputs)], options


def sampled(tensor):
    """Large outputs are stored as every 61st element."""
    return tensor if tensor.numel() <= 256 else tensor.flatten()[::61]
