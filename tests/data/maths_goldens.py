"""Writes maths_goldens.safetensors: as ops_goldens.py, for elementwise maths, activations, logic, orderings, linear
algebra, losses, signals and random numbers. Needs torch, numpy and safetensors."""

import itertools
import pathlib

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

from golden_inputs import DTYPES, FLOATS, parse, sampled, wrap

INTS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
UNSIGNED = ("u8", "u16", "u32", "u64")

UNARY = {
    **{name: getattr(torch, name) for name in (
        "ceil floor round reciprocal erf sin cos tan asin acos atan sinh cosh asinh acosh atanh").split()},
    "sign": lambda x: torch.where(torch.isnan(x), x, torch.sign(x)),
    "celu": lambda x, alpha="1": F.celu(x, float(alpha)),
    "selu": lambda x: float(np.float32(1.0507010)) * F.elu(x, float(np.float32(1.6732632))),
    "softsign": F.softsign,
    "hardsigmoid": lambda x: torch.clip(float(np.float32(1) / np.float32(6)) * x + 0.5, 0, 1),
    "swish": lambda x, alpha: x * torch.sigmoid(float(alpha) * x),
    "thresholded_relu": lambda x, alpha: F.threshold(x, float(alpha), 0),
    "hard_shrink": lambda x: F.hardshrink(x, 0.25),
    "soft_shrink": lambda x: F.softshrink(x, 0.25),
    "hardmax": lambda x, axis: F.one_hot(x.argmax(int(axis)), x.shape[int(axis)]).movedim(-1, int(axis)).double(),
    "prod": lambda x, axes: torch.prod(x, int(axes)),
    "log_sum_exp": lambda x, axes: torch.logsumexp(x, int(axes)),
    "cumsum": lambda x, axis: torch.cumsum(x, int(axis)),
    "cumprod": lambda x, axis: torch.cumprod(x, int(axis)),
    "det": torch.linalg.det,
}
COMPARISONS = {"equal": torch.eq, "greater": torch.gt, "greater_equal": torch.ge, "less": torch.lt, "less_equal": torch.le}
BINARY = {
    "pow": (torch.pow, None),
    "fmod": (torch.fmod, lambda a, b: abs(a) % abs(b) * (1 if a >= 0 else -1)),
    "mod": (torch.remainder, lambda a, b: a % b),
    "prelu": (lambda a, b: torch.where(a < 0, a * b, a), lambda a, b: a * b if a < 0 else a),
    "bitwise_and": (None, lambda a, b: a & b),
    "bitwise_or": (None, lambda a, b: a | b),
    "bitwise_xor": (None, lambda a, b: a ^ b),
    "shift_left": (None, lambda a, b: a << b if b < 64 else 0),
    "shift_right": (None, lambda a, b: a >> b),
}


def tensor(values):
    return torch.tensor(values if values.dtype != object else values.astype(np.int64))


def unary(op):
    return lambda inputs, **options: (inputs[0][0], UNARY[op](tensor(inputs[0][1]), **options))


def comparison(op):
    return lambda inputs: ("bool", COMPARISONS[op](tensor(inputs[0][1]), tensor(inputs[1][1])))


def binary(op):
    def compute(inputs):
        (dtype, a), (_, b) = inputs
        by_torch, by_python = BINARY[op]
        if dtype in FLOATS:
            return dtype, by_torch(torch.tensor(a), torch.tensor(b))
        a, b = np.broadcast_arrays(a, b)
        return dtype, [wrap(by_python(x, y), dtype) for x, y in zip(a.flat, b.flat)], a.shape

    return compute


def where(inputs):
    return inputs[1][0], torch.where(tensor(inputs[0][1]).bool(), tensor(inputs[1][1]), tensor(inputs[2][1]))


def argmin(inputs, axis):
    return "i64", torch.argmin(tensor(inputs[0][1]), int(axis))


def topk(part):
    def compute(inputs, k, axis, largest="1"):
        (dtype, x), = inputs
        values, indices = torch.topk(tensor(x), int(k), int(axis), largest == "1")
        return (dtype, values) if part == "values" else ("i64", indices)

    return compute


def einsum(inputs, of):
    return inputs[0][0], torch.einsum(of.replace("+", ",").replace(">", "->"), *(tensor(x) for _, x in inputs))


def cross_entropy(inputs, reduction, ignore="-100"):
    (dtype, scores), (_, targets), *weight = inputs
    weight = torch.tensor(weight[0][1]) if weight else None
    return dtype, F.cross_entropy(torch.tensor(scores), tensor(targets), weight, ignore_index=int(ignore), reduction=reduction)


def dft(inputs, axis, form, length=None):
    (dtype, x), = inputs
    z = torch.tensor(x)
    z = torch.view_as_complex(z.contiguous()) if z.shape[-1] == 2 else z[..., 0]
    result = getattr(torch.fft, form)(z, length and int(length), int(axis))
    return dtype, torch.view_as_real(result) if result.is_complex() else result[..., None]


def stft(inputs, step):
    (dtype, signal), (_, window) = inputs
    window = torch.tensor(window)
    z = torch.stft(torch.tensor(signal)[..., 0], len(window), int(step), window=window, center=False, return_complex=True)
    return dtype, torch.view_as_real(z.transpose(1, 2))


def window(op):
    return lambda inputs, size, periodic: ("f64", getattr(torch, op)(int(size), bool(int(periodic)), dtype=torch.float64))


def random_uniform(inputs, seed, size):
    return "f64", torch.tensor(np.random.RandomState(int(seed)).random_sample(int(size)))


OPS = {
    **{op: unary(op) for op in UNARY},
    **{op: comparison(op) for op in COMPARISONS},
    **{op: binary(op) for op in BINARY},
    **{f"topk_{part}": topk(part) for part in ("values", "indices")},
    **{f"{op}_window": window(f"{op}_window") for op in ("hann", "blackman")},
    **{f.__name__: f for f in (where, argmin, einsum, cross_entropy, dft, stft, random_uniform)},
}


def elementwise_cases():
    options = {"swish": ",alpha=1.5", "thresholded_relu": ",alpha=0.25"}
    elementwise = list(UNARY)[: list(UNARY).index("hardmax")]
    for op, t in itertools.product(elementwise, FLOATS):
        for inside in ("[13]", "[3,129]", "[5x,3]", "[]", "[0,5]", "[49]~positive"):
            yield f"{op}({t}{inside}{options.get(op, '')})"
        if op not in ("hard_shrink", "soft_shrink"):
            yield f"{op}({t}[49]~edge{options.get(op, '')})"
    for t in FLOATS:
        yield f"celu({t}[127],alpha=0.5)"
        yield f"pow({t}[3,1,7]~positive,{t}[5,1])"
        yield from (f"{op}({t}[13,7],{t}[13,7]~positive)" for op in ("fmod", "mod"))
        yield from (f"prelu({t}[{shape}],{t}[{slope}])" for shape, slope in (("3,7", "7"), ("2,3,5", "3,1"), ("129", "")))
        yield from (f"{op}({t}[24,1]~edge,{t}[1,24]~edge)" for op in COMPARISONS)
    for t in INTS:
        yield from (f"{op}({t}[13,7]~full,{t}[7]~nonzero)" for op in ("fmod", "mod", "bitwise_and", "bitwise_or", "bitwise_xor"))
        yield from (f"{op}({t}[129],{t}[129])" for op in COMPARISONS if t != "u64")
        yield f"prelu({t}[3,7],{t}[7])"
    for t in UNSIGNED:
        yield from (f"{op}({t}[129]~full,{t}[129]~ids70)" for op in ("shift_left", "shift_right"))
    for t in FLOATS + ("i8", "i64", "bool"):
        for a, b, c in (("129", "129", "129"), ("3,1", "7", ""), ("7,13", "7,1", "13"), ("3,0", "3,1", "0")):
            yield f"where(bool[{a}],{t}[{b}],{t}[{c}])"


def axis_cases():
    for t in FLOATS:
        for axis in (0, 1, -1):
            yield f"hardmax({t}[3,7,13],axis={axis})"
            yield f"argmin({t}[3,7,13],axis={axis})"
            yield from (f"{op}({t}[3,7,13],axes={axis})" for op in ("prod", "log_sum_exp"))
            yield from (f"{op}({t}[3,7,13],axis={axis})" for op in ("cumsum", "cumprod"))
            for part, largest in itertools.product(("values", "indices"), (0, 1)):
                yield f"topk_{part}({t}[5,3,7],k=2,axis={axis},largest={largest})"
        yield f"log_sum_exp({t}[7,127]~wide,axes=1)"
        yield from (f"det({t}[{shape}])" for shape in ("1,1", "3,3", "2,3,7,7", "0,0"))
    for t in INTS:
        yield f"cumsum({t}[3,13],axis=0)"
        yield f"argmin({t}[3,7,13]~full,axis=2)" if t != "u64" else f"argmin({t}[3,7,13],axis=2)"


def einsum_cases():
    for t in FLOATS + ("i32", "i64"):
        for of, *shapes in (("ij+jk>ik", "3,7", "7,5"), ("bij+bjk", "2,3,7", "2,7,5"), ("...ij+...jk>...ik", "2,1,3,7", "4,7,5"),
                            ("ii>i", "7,7"), ("bii>b", "3,5,5"), ("ij>ji", "3,7"), ("i+j>ij", "3", "7"), ("ij+ij>", "3,7", "3,7"),
                            ("ij+jk+kl>il", "3,5", "5,7", "7,2"), ("abc>b", "3,5,7"), ("bhqd+bkhd>bhqk", "2,3,5,4", "2,7,3,4")):
            yield f"einsum({','.join(f'{t}[{s}]' for s in shapes)},of={of})"


def loss_cases():
    for t, reduction in itertools.product(FLOATS, ("none", "sum", "mean")):
        yield f"cross_entropy({t}[13,7],i64[13]~ids7,reduction={reduction})"
        yield f"cross_entropy({t}[3,7,5],i32[3,5]~ids7,{t}[7]~positive,reduction={reduction},ignore=2)"


def signal_cases():
    for t in ("f32", "f64"):
        for length in (1, 7, 13, 16, 60, 127, 129):
            yield f"dft({t}[3,{length},1],axis=1,form=fft)"
            yield f"dft({t}[{length},3,2],axis=0,form=ifft)"
            yield f"dft({t}[3,{length},1],axis=1,form=rfft)"
        yield f"dft({t}[3,13,2],axis=1,form=fft,length=7)"
        yield f"dft({t}[3,7,1],axis=1,form=rfft,length=13)"
        yield f"dft({t}[3,7,2],axis=1,form=irfft)"
        yield f"dft({t}[3,7,2],axis=1,form=irfft,length=13)"
        yield f"stft({t}[2,127,1],{t}[16]~positive,step=5)"
    for op, size, periodic in itertools.product(("hann", "blackman"), (3, 7, 16), (0, 1)):
        yield f"{op}_window(size={size},periodic={periodic})"
    yield "random_uniform(seed=0,size=7)"
    yield "random_uniform(seed=123456,size=13)"


def main():
    goldens = {}
    for case in itertools.chain.from_iterable(f() for f in (elementwise_cases, axis_cases, einsum_cases, loss_cases, signal_cases)):
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
