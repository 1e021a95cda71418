"""Writes network_goldens.safetensors: PyTorch's results of the dense operators of neural networks (convolution, pooling,
normalisation over channels), as ops_goldens.py writes those of the others. Needs torch, numpy and safetensors."""

import itertools
import pathlib

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

from golden_inputs import DTYPES, FLOATS, parse, sampled

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def ints(text, rank, otherwise):
    return [int(v) for v in text.split("+")] if text else [otherwise] * rank


def window(options, rank):
    """(strides, dilations, pads), pads as begins then ends."""
    return ints(options.get("strides"), rank, 1), ints(options.get("dilations"), rank, 1), ints(options.get("pads"), 2 * rank, 0)


def padded(x, pads, value=0.0):
    rank = x.ndim - 2
    pairs = [p for axis in reversed(range(rank)) for p in (pads[axis], pads[axis + rank])]
    return F.pad(x, pairs, value=value)


def tensors(inputs):
    return [torch.tensor(np.asarray(x, dtype=np.float64)) for _, x in inputs]


def conv(inputs, groups=1, **options):
    x, *rest = tensors(inputs)
    rank = x.ndim - 2
    strides, dilations, pads = window(options, rank)
    return CONV[rank](padded(x, pads), *rest, stride=strides, dilation=dilations, groups=int(groups))


def conv_transpose(inputs, groups=1, output_padding=None, **options):
    x, weight, *bias = tensors(inputs)
    rank = x.ndim - 2
    strides, dilations, pads = window(options, rank)
    extra = ints(output_padding, rank, 0)
    y = CONV_TRANSPOSE[rank](x, weight, *bias, stride=strides, dilation=dilations, groups=int(groups), output_padding=extra)
    for axis in range(rank):
        y = y.narrow(axis + 2, pads[axis], y.shape[axis + 2] - pads[axis] - pads[axis + rank])
    return y


def pool_case(inputs, options):
    x, = tensors(inputs)
    rank = x.ndim - 2
    return x, rank, ints(options["kernel"], rank, 1), *window(options, rank)


def symmetric(pads, rank):
    assert pads[:rank] == pads[rank:], "PyTorch's ceil_mode takes pads of one size"
    return pads[:rank]


def max_pool(inputs, ceil=0, indices=False, **options):
    x, rank, kernel, strides, dilations, pads = pool_case(inputs, options)
    if not int(ceil) and pads[:rank] != pads[rank:]:
        return MAX_POOL[rank](padded(x, pads, -np.inf), kernel, strides, 0, dilations)
    return MAX_POOL[rank](x, kernel, strides, symmetric(pads, rank), dilations, bool(int(ceil)), indices)


def max_pool_indices(inputs, **options):
    return max_pool(inputs, indices=True, **options)[1]


def window_sums(x, kernel, strides, dilations, pads):
    ones = torch.ones(x.shape[1], 1, *kernel, dtype=x.dtype)
    return CONV[len(kernel)](padded(x, pads), ones, stride=strides, dilation=dilations, groups=x.shape[1])


def avg_pool(inputs, ceil=0, over="elements", **options):
    x, rank, kernel, strides, dilations, pads = pool_case(inputs, options)
    if int(ceil):
        return AVG_POOL[rank](x, kernel, strides, symmetric(pads, rank), True, over == "places")
    counted = torch.ones_like(x) if over == "elements" else torch.ones_like(padded(x, pads))
    counts = window_sums(counted, kernel, strides, dilations, pads if over == "elements" else [0] * 2 * rank)
    return window_sums(x, kernel, strides, dilations, pads) / counts


def lp_pool(inputs, p, **options):
    x, _, *rest = pool_case(inputs, options)
    return window_sums(x.abs() ** float(p), *rest) ** (1 / float(p))


def over_places(reduce):
    return lambda inputs, **options: reduce(tensors(inputs)[0], **options)


def adaptive_avg_pool(inputs, sizes):
    x, = tensors(inputs)
    return ADAPTIVE[x.ndim - 2](x, ints(sizes, 0, 0))


def batch_norm(inputs, epsilon="1e-5"):
    x, scale, shift, mean, variance = tensors(inputs)
    return F.batch_norm(x, mean, variance, scale, shift, eps=float(np.float32(epsilon)))


def group_norm(inputs, groups, epsilon="1e-5"):
    x, *rest = tensors(inputs)
    return F.group_norm(x, int(groups), *rest, eps=float(np.float32(epsilon)))


def instance_norm(inputs, epsilon="1e-5"):
    x, *rest = tensors(inputs)
    return F.group_norm(x, x.shape[1], *rest, eps=float(np.float32(epsilon)))


def lrn(inputs, size, alpha, beta, bias):
    x, = tensors(inputs)
    return F.local_response_norm(x, int(size), *(float(np.float32(v)) for v in (alpha, beta, bias)))


OPS = {
    "global_max_pool": over_places(lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True)),
    "global_avg_pool": over_places(lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True)),
    "global_lp_pool": over_places(lambda x, p: (x.abs() ** float(p)).sum(tuple(range(2, x.ndim)), keepdim=True) ** (1 / float(p))),
    **{f.__name__: f for f in (conv, conv_transpose, max_pool, max_pool_indices, avg_pool, lp_pool, adaptive_avg_pool,
                               batch_norm, group_norm, instance_norm, lrn)},
}


def conv_cases():
    # x, weight, options; with and without a bias
    cases = (
        ("1,1,1", "1,1,1", ""), ("2,3,13", "5,3,3", ""), ("1,7,129", "13,7,5", ",strides=3,dilations=2,pads=1+4"),
        ("1,4,9", "6,2,3", ",groups=2,pads=2+2"),
        ("1,3,7,13", "5,3,3,3", ",pads=1+1+1+1"), ("2,3,13,7", "4,3,3,2", ",strides=2+1,pads=1+0+2+1"),
        ("1,16,5,5", "33,16,1,1", ""), ("1,16,7,7", "32,16,1,1", ",strides=2+2"), ("1,13,9,9", "13,1,3,3", ",groups=13,pads=1+1+1+1"),
        ("1,32,9,8", "32,1,5,5", ",groups=32,strides=2+2,pads=2+2+1+1"), ("1,6,7,7", "12,2,3,3", ",groups=3,dilations=2+1"),
        ("1,3,17,19", "7,3,7,7", ",strides=2+2,pads=3+3+3+3"), ("1,2,3,3", "3,2,5,5", ",pads=4+4+4+4"),
        ("1,2,3,5,7", "3,2,2,3,3", ",pads=0+1+1+1+1+1"), ("1,4,5,5,5", "4,2,3,3,3", ",groups=2,strides=2+1+2,dilations=1+2+1"),
        ("0,3,7,7", "5,3,3,3", ""), ("1,3,9x,9", "2,3,3,3", ""),
    )
    for t, (x, w, options) in itertools.product(FLOATS, cases):
        yield f"conv({t}[{x}],{t}[{w}]{options})"
        yield f"conv({t}[{x}],{t}[{w}],{t}[{w.split(',')[0]}]{options})"
    cases = (
        ("1,1,1", "1,1,1", 1, ""), ("2,3,7", "3,5,3", 5, ",strides=2"), ("1,4,9", "4,3,4", 6, ",groups=2,pads=1+2,strides=3,output_padding=1"),
        ("1,3,5,7", "3,4,3,3", 4, ""), ("2,3,5,5", "3,5,3,2", 5, ",strides=2+3,pads=1+0+1+1,output_padding=1+2"),
        ("1,8,4,4", "8,16,2,2", 16, ",strides=2+2"), ("1,6,5,5", "6,1,3,3", 6, ",groups=6,strides=2+2,pads=1+1+0+0"),
        ("1,4,3,3", "4,3,3,3", 6, ",groups=2,dilations=2+1"), ("1,2,3,4,5", "2,3,3,2,3", 3, ",strides=2+1+2,pads=1+0+1+1+0+0"),
    )
    for t, (x, w, out, options) in itertools.product(FLOATS, cases):
        yield f"conv_transpose({t}[{x}],{t}[{w}]{options})"
        yield f"conv_transpose({t}[{x}],{t}[{w}],{t}[{out}]{options})"


def pool_cases():
    windows = (
        ("2,3,13", "kernel=3"), ("1,1,7", "kernel=2,strides=2,pads=1+0"), ("1,5,129", "kernel=5,strides=3,dilations=2,pads=3+2"),
        ("2,3,7,13", "kernel=3+2,strides=2+1"), ("1,17,9,9", "kernel=3+3,strides=2+2,pads=1+1+1+1"),
        ("1,3,8,5", "kernel=2+3,pads=0+1+1+2,dilations=2+1"), ("1,3,3,5,7", "kernel=2+3+3,strides=1+2+2,pads=1+1+0+0+1+2"),
    )
    symmetric_windows = (("1,3,6", "kernel=3,strides=2,ceil=1"), ("2,3,7,8", "kernel=3+3,strides=2+2,pads=1+1+1+1,ceil=1"),
                         ("1,3,6,6", "kernel=2+2,strides=3+3,ceil=1"), ("1,1,4,4", "kernel=3+3,strides=2+2,ceil=1"),
                         ("1,2,5,4,7", "kernel=2+2+3,strides=2+2+2,ceil=1"))
    for t, (x, options) in itertools.product(FLOATS + ("i8", "u8"), windows + symmetric_windows):
        yield f"max_pool({t}[{x}],{options})"
    for t in FLOATS:
        yield f"max_pool({t}[2,3,7,6]~row_edge,kernel=2+3)"
        yield f"max_pool({t}[2,3,7,6]~row_edge,kernel=1+1,strides=2+2)"
        yield f"avg_pool({t}[2,3,7,6]~row_edge,kernel=2+3)"
        for x, options in windows:
            for over in ("elements", "places"):
                yield f"avg_pool({t}[{x}],{options},over={over})"
            yield f"lp_pool({t}[{x}],{options},p=3)"
        for x, options in symmetric_windows:
            for over in ("elements", "places"):
                yield f"avg_pool({t}[{x}],{options},over={over})"
            yield f"max_pool_indices({t}[{x}],{options})"
        yield f"max_pool_indices({t}[1,3,9,9],kernel=3+2,strides=2+2,pads=1+1+1+1,dilations=2+1)"
        for x in ("2,3,13", "1,7,7,7", "3,1,2,3,5"):
            yield f"global_max_pool({t}[{x}])"
            yield f"global_avg_pool({t}[{x}])"
            yield f"global_lp_pool({t}[{x}],p=2)"
        for x, sizes in (("2,3,13", "5"), ("1,3,7,7", "1+1"), ("1,3,7,13", "3+7"), ("1,2,4,4", "2+2"), ("1,2,3,3", "5+4"), ("1,2,3,4,5", "2+3+2")):
            yield f"adaptive_avg_pool({t}[{x}],sizes={sizes})"


def norm_cases():
    for t in FLOATS:
        for x in ("3,7", "1,1,1", "2,13,7", "2,3,5,7", "1,5,2,3,4"):
            c = x.split(",")[1]
            yield f"batch_norm({t}[{x}],f32[{c}],f32[{c}],f32[{c}],f32[{c}]~positive)"
        yield f"batch_norm({t}[2,3,7],{t}[3],{t}[3],{t}[3],{t}[3]~positive,epsilon=0.125)"
        yield f"batch_norm({t}[2,3,13]~row_edge,f32[3],f32[3],f32[3],f32[3]~positive)"
        for x, groups in (("2,6,7", 1), ("2,6,5,7", 3), ("3,4,129", 4), ("1,8,3,5,2", 2)):
            c = x.split(",")[1]
            yield f"group_norm({t}[{x}],groups={groups})"
            yield f"group_norm({t}[{x}],f32[{c}],f32[{c}],groups={groups})"
        yield f"group_norm({t}[2,4,9]~wide,{t}[4],{t}[4],groups=2,epsilon=0.125)"
        for x in ("2,3,13", "1,5,7,9", "1,2,3,5,7"):
            yield f"instance_norm({t}[{x}],f32[{x.split(',')[1]}],f32[{x.split(',')[1]}])"
        for x, size in (("2,7,13", 5), ("1,13,3,5", 3), ("1,3,7", 1), ("1,5,2,2,3", 9)):
            yield f"lrn({t}[{x}],size={size},alpha=0.5,beta=0.75,bias=1.5)"


def main():
    goldens = {}
    for case in itertools.chain(conv_cases(), pool_cases(), norm_cases()):
        op, inputs, options = parse(case)
        result = OPS[op](inputs, **options)
        dtype = torch.int64 if op == "max_pool_indices" else DTYPES[inputs[0][0]]
        assert case not in goldens, case
        goldens[case] = sampled(result.to(dtype)).contiguous().clone()
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    path.write_bytes(safetensors.torch.save(goldens))
    print(len(goldens), "cases")


main()
