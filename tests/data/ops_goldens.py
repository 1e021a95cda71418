"""Writes ops_goldens.safetensors: for each case, named by what it computes, PyTorch's result (in f64, rounded once to
the dtype of the result). Integers are computed in Python. Needs torch, numpy and safetensors.

A name reads `op(dtype[sizes]~kind, ..., option=value)`; golden_inputs.py says what the inputs hold.
"""

import itertools
import pathlib

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

from golden_inputs import DTYPES, FLOATS, parse, sampled, wrap

INTS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")

UNARY = {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "leaky_relu": lambda x, slope="0.01": F.leaky_relu(x, float(np.float32(slope))),
    "elu": lambda x, alpha="1": F.elu(x, float(alpha)),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "clip": lambda x, low, high: torch.clip(x, float(low), float(high)),
}
BINARY = {
    "add": (torch.add, lambda a, b: a + b),
    "sub": (torch.sub, lambda a, b: a - b),
    "mul": (torch.mul, lambda a, b: a * b),
    "div": (torch.div, lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)),
    "minimum": (torch.minimum, min),
    "maximum": (torch.maximum, max),
}


def unary(op):
    def compute(inputs, **options):
        (dtype, x), = inputs
        if dtype in FLOATS:
            return dtype, UNARY[op](torch.tensor(x), **options)
        exact = {"neg": lambda v: -v, "abs": abs}[op]
        return dtype, [wrap(exact(v), dtype) for v in x.flat], x.shape

    return compute


def binary(op):
    def compute(inputs):
        (dtype, a), (_, b) = inputs
        by_torch, by_python = BINARY[op]
        if dtype in FLOATS:
            return dtype, by_torch(torch.tensor(a), torch.tensor(b))
        a, b = np.broadcast_arrays(a, b)
        return dtype, [wrap(by_python(x, y), dtype) for x, y in zip(a.flat, b.flat)], a.shape

    return compute


def silu_mul(inputs):
    (dtype, gate), (_, up) = inputs
    return dtype, F.silu(torch.tensor(gate)) * torch.tensor(up)


def matmul(inputs):
    (dtype, a), (_, b) = inputs
    if dtype in FLOATS:
        return dtype, torch.tensor(a) @ torch.tensor(b)
    product = a @ b
    result = "i32" if dtype in ("i8", "u8") else dtype
    array = np.asarray(product, dtype=object)
    return result, [wrap(int(v), result) for v in array.flat], array.shape


def reduce(op):
    def compute(inputs, axes=None, keep=0):
        (dtype, x), = inputs
        axes = tuple(range(x.ndim)) if axes is None else tuple(int(a) for a in axes.split("+"))
        if dtype in FLOATS:
            functions = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax, "min": torch.amin}
            return dtype, functions[op](torch.tensor(x), axes, bool(keep))
        result = np.asarray({"sum": np.sum, "max": np.max, "min": np.min}[op](x, axis=axes, keepdims=bool(keep)), dtype=object)
        return "i64" if op == "sum" else dtype, list(result.flat), result.shape

    return compute


def argmax(inputs, axis=-1):
    (dtype, x), = inputs
    values = torch.tensor(x if dtype in FLOATS else x.astype(np.int64))
    return "i64", torch.argmax(values, int(axis))


def normalize(function):
    def compute(inputs, axis=-1):
        (dtype, x), = inputs
        return dtype, function(torch.tensor(x), int(axis))

    return compute


def layer_norm(inputs, epsilon="1e-5", parts=""):
    dtype, x = inputs[0]
    given = {part: torch.tensor(values) for part, (_, values) in zip(parts, inputs[1:])}
    return dtype, F.layer_norm(torch.tensor(x), x.shape[-1:], given.get("w"), given.get("b"), float(np.float32(epsilon)))


def rms_norm(inputs, epsilon="1e-5"):
    (dtype, x), (_, scale) = inputs
    return dtype, F.rms_norm(torch.tensor(x), x.shape[-1:], torch.tensor(scale), float(np.float32(epsilon)))


def concat(inputs, axis):
    return moved(inputs[0][0], np.concatenate([x for _, x in inputs], int(axis)))


def gather(inputs, axis="0"):
    (dtype, x), (_, indices) = inputs
    return moved(dtype, np.take(x, indices.astype(np.int64), int(axis)))


def embedding(inputs):
    return gather(inputs)


def moved(dtype, array):
    return (dtype, torch.tensor(array)) if dtype in FLOATS else (dtype, list(array.flat), array.shape)


def rotary_embedding(inputs, pairs="halves"):
    (dtype, x), (_, positions), (_, frequencies) = inputs
    x = torch.tensor(x)
    # The product is rounded to f32, as transformers does and models have been trained with.
    angles = torch.tensor(positions.astype(np.int64)).float()[:, None, None] * torch.tensor(frequencies).float()
    angles = angles.double()
    count = angles.shape[-1]
    turned = x[..., : 2 * count]
    if pairs == "halves":
        a, b = turned[..., :count], turned[..., count:]
    else:
        a, b = turned[..., 0::2], turned[..., 1::2]
    # A complex number turns by exp(i * angle).
    z = torch.complex(a, b) * torch.polar(torch.ones_like(angles), angles)
    parts = (z.real, z.imag)
    done = torch.cat(parts, -1) if pairs == "halves" else torch.stack(parts, -1).flatten(-2)
    return dtype, torch.cat([done, x[..., 2 * count :]], -1)


def attention(inputs, causal="0", window="0", scale=None):
    dtype = inputs[0][0]
    q, k, v = (torch.tensor(x) for _, x in inputs)
    own = torch.arange(q.shape[2])[:, None] + k.shape[2] - q.shape[2]
    key = torch.arange(k.shape[2])[None]
    seen = key <= own if int(causal) else torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
    if int(window):
        seen &= key > own - int(window)
    scale = None if scale is None else float(np.float32(scale))
    result = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
    return dtype, torch.where(seen.any(-1)[:, None], result, 0.0)


OPS = {
    **{op: unary(op) for op in UNARY},
    **{op: binary(op) for op in BINARY},
    **{op: reduce(op) for op in ("sum", "mean", "max", "min")},
    "softmax": normalize(torch.softmax),
    "log_softmax": normalize(torch.log_softmax),
    **{f.__name__: f for f in (silu_mul, matmul, argmax, layer_norm, rms_norm, concat, gather, embedding,
                               rotary_embedding, attention)},
}


def elementwise_cases():
    for op, t in itertools.product(BINARY, FLOATS):
        for a, b in (("7,13", "7,13"), ("3,1,7", "5,1"), ("", "3"), ("13,1x", "1,13"), ("0,3", "3"), ("128,129", "128,129")):
            yield f"{op}({t}[{a}],{t}[{b}])"
        yield f"{op}({t}[129,3],{t}[3])"
        yield f"{op}({t}[97]~edge,{t}[97]~positive)"
        yield f"{op}({t}[24,1]~edge,{t}[1,24]~edge)"
    for op, t in itertools.product(BINARY, INTS):
        yield f"{op}({t}[127]~full,{t}[127]~nonzero)"
        yield f"{op}({t}[3,1],{t}[1,7]~nonzero)"
    for op, t in itertools.product(UNARY, FLOATS):
        low_high = ",low=-0.5,high=0.25" if op == "clip" else ""
        positive = "~positive" if op in ("log", "sqrt") else ""
        for sizes in ("1", "13", "7,3", "3,129", "", "0,5", "5x,3"):
            yield f"{op}({t}[{sizes}]{positive}{low_high})"
        yield f"{op}({t}[129]~wide{low_high})"
        yield f"{op}({t}[49]~edge{low_high})"
    for t in FLOATS:
        yield f"leaky_relu({t}[127],slope=0.3)"
        yield f"elu({t}[127],alpha=0.5)"
        for sizes in ("1", "7", "3,13", "129", "127,131"):
            yield f"silu_mul({t}[{sizes}],{t}[{sizes}])"
        yield f"silu_mul({t}[129]~wide,{t}[129])"
        yield f"silu_mul({t}[49]~edge,{t}[49])"
    for op, t in itertools.product(("neg", "abs"), ("i8", "i16", "i32", "i64")):
        yield f"{op}({t}[129]~full)"


def matmul_cases():
    shapes = (
        ("1,1", "1,1"), ("3,7", "7,13"), ("1,127", "127,3"), ("13,1", "1,7"), ("127,128", "128,129"), ("129,13", "13,127"),
        ("2,3,7", "2,7,5"), ("2,1,3,7", "4,7,5"), ("3,7", "2,7,3"), ("2x,3,7", "2x,7,3"), ("7", "7"), ("7", "7,3"),
        ("3,7", "7"), ("2,3,7", "7"), ("7", "2,7,3"), ("3,0", "0,5"), ("0,3", "3,5"), ("3,7x", "7,5"), ("2,0,3", "3,4"),
    )
    for t in FLOATS + ("i32", "i64"):
        yield from (f"matmul({t}[{a}],{t}[{b}])" for a, b in shapes)
    for t in ("i8", "u8"):
        yield from (f"matmul({t}[{a}],i8[{b}])" for a, b in shapes)
        yield f"matmul({t}[5,129]~full,i8[129,3]~full)"
    for t in ("i32", "i64"):
        yield f"matmul({t}[5,129]~full,{t}[129,3]~full)"
    yield "matmul(f32[24,13]~row_edge,f32[13,7])"


def reduction_cases():
    for op, t in itertools.product(("sum", "mean", "max", "min"), FLOATS):
        for sizes, options in (("13", ""), ("", ""), ("1", ""), ("3,7,13", ",axes=0"), ("3,7,13", ",axes=-1"), ("3,7,13", ",axes=0+2"),
                               ("3,7,13", ",axes=1,keep=1"), ("3,7,13", ",keep=1"), ("128,129", ",axes=0"), ("128,129", ",axes=1"),
                               ("3,5x,7", ",axes=1"), ("127,131", ""), ("0,3", ",axes=1"), ("24,13~row_edge", ",axes=1")):
            kind = "".join(f"~{k}" for k in sizes.split("~")[1:])
            yield f"{op}({t}[{sizes.split('~')[0]}]{kind}{options})"
    for op, t in itertools.product(("sum", "max", "min"), INTS + ("bool",)):
        yield f"{op}({t}[129])"
        yield f"{op}({t}[3,7,13],axes=0+2)"
    yield "sum(f32[0,3],axes=0)"
    yield "mean(f32[0,3],axes=0)"
    for t in FLOATS + INTS:
        for axis in (0, 1, -1):
            yield f"argmax({t}[3,7,13],axis={axis})"
    yield from (f"argmax({t}[30,13]~row_edge)" for t in FLOATS)
    yield "argmax(bool[3,7])"


def normalization_cases():
    for op, t in itertools.product(("softmax", "log_softmax"), FLOATS):
        for sizes, axis in (("1", 0), ("13", 0), ("3,129", -1), ("7,13", 0), ("3,7,5", 1), ("3,1", 1), ("0,3", 1), ("3,5x", -1), ("17,1031", 1)):
            yield f"{op}({t}[{sizes}],axis={axis})"
        yield f"{op}({t}[7,127]~wide)"
        yield f"{op}({t}[24,13]~row_edge)"
        yield f"{op}({t}[3,33]~row_edge)"
    for t in FLOATS:
        for dim in (1, 3, 7, 13, 127, 128, 129):
            yield f"rms_norm({t}[3,{dim}],f32[{dim}])"
            yield f"layer_norm({t}[3,{dim}],f32[{dim}],f32[{dim}],parts=wb)"
        yield f"layer_norm({t}[2,3,13])"
        yield f"layer_norm({t}[7,129]~wide,f32[129],parts=w)"
        yield f"layer_norm({t}[7,129],f32[129],parts=b,epsilon=0.125)"
        yield f"layer_norm({t}[24,13]~row_edge,{t}[13],{t}[13],parts=wb)"
        yield f"layer_norm({t}[3,13],f64[13],bf16[13],parts=wb)"
        yield f"layer_norm({t}[3,5x])"
        yield f"rms_norm({t}[2,3,13]~wide,{t}[13],epsilon=0.125)"
        yield f"rms_norm({t}[24,13]~row_edge,f16[13])"
        yield f"rms_norm({t}[3,13],f64[13])"
        yield f"rms_norm({t}[0,13],f32[13])"


def moving_cases():
    for t in DTYPES:
        yield f"concat({t}[3,7],{t}[3,1],{t}[3,13],axis=1)"
        yield f"concat({t}[2,3,5],{t}[1,3,5],axis=-3)"
        yield f"gather({t}[13,7],i64[5]~signed_ids13)"
        yield f"gather({t}[3,7,5],i32[2,3]~ids7,axis=1)"
    yield "concat(f32[3,0],f32[3,2],axis=1)"
    yield "gather(f32[3,7],i64[]~ids3)"
    yield "gather(f32[3,7],i64[0]~ids3)"
    yield "gather(f32[3,7],i64[4]~signed_ids7,axis=-1)"
    for t in FLOATS:
        yield f"embedding({t}[127,13],i64[3,7]~ids127)"
        yield f"embedding({t}[127,13],i32[5]~ids127)"


def attention_cases():
    for t in ("f32", "f16", "bf16"):
        for pairs in ("halves", "interleaved"):
            yield f"rotary_embedding({t}[7,3,16],i64[7]~ids997,f32[8]~positive,pairs={pairs})"
            yield f"rotary_embedding({t}[3,2,100],i32[3]~ids31,f32[20],pairs={pairs})"
    for t in ("f32", "f16", "bf16"):
        for group, dim, causal in itertools.product((1, 2, 4), (16, 64, 80, 100, 128), (0, 1)):
            keys = {16: 3, 64: 65, 80: 13, 100: 129, 128: 1}[dim]
            queries = {3: 3, 65: 7, 13: 13, 129: 65, 1: 1}[keys]
            batch = 2 if dim == 16 else 1
            yield f"attention({t}[{batch},4,{queries},{dim}],{t}[{batch},{4 // group},{keys},{dim}],{t}[{batch},{4 // group},{keys},{dim}],causal={causal})"
        for queries, keys, window in ((13, 13, 1), (13, 13, 5), (7, 200, 64), (129, 129, 70), (1, 127, 3), (130, 7, 0), (130, 7, 3), (9, 3, 100)):
            yield f"attention({t}[1,2,{queries},24],{t}[1,1,{keys},24],{t}[1,1,{keys},24],causal=1,window={window})"
        yield f"attention({t}[1,3,5,7]~wide,{t}[1,1,67,7],{t}[1,1,67,7])"
        yield f"attention({t}[2,3,5,16],{t}[2,3,67,16],{t}[2,3,67,16],scale=0.7)"
        yield f"attention({t}[1,2,3,16],{t}[1,2,0,16],{t}[1,2,0,16])"
        yield f"attention({t}[1,128,2,16],{t}[1,1,5,16],{t}[1,1,5,16],causal=1)"


def main():
    goldens = {}
    families = (elementwise_cases, matmul_cases, reduction_cases, normalization_cases, moving_cases, attention_cases)
    for case in itertools.chain.from_iterable(family() for family in families):
        op, inputs, options = parse(case)
        with np.errstate(all="ignore"):
            dtype, values, *shape = OPS[op](inputs, **options)
        if shape:
            values = torch.tensor(np.array(values, dtype=np.uint64 if dtype == "u64" else np.int64)).reshape(shape[0])
        assert case not in goldens, case
        goldens[case] = sampled(values.to(DTYPES[dtype])).contiguous().clone()
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    path.write_bytes(safetensors.torch.save(goldens))
    print(len(goldens), "cases")


main()
