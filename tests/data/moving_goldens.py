"""Writes moving_goldens.safetensors: what NumPy, PyTorch and torchvision give for ops that move, choose and resample
elements; floats in f64, rounded once to the dtype of the result. Names are as in ops_goldens.py; lists are joined by
`+`. Needs torch, torchvision, numpy and safetensors."""

import itertools
import pathlib

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
import torchvision

from golden_inputs import DTYPES, FLOATS, parse, sampled


def numbers(text, kind=int):
    return [kind(part) for part in text.split("+")]


def slices(count, axis, at):
    return tuple(at if i == axis else slice(None) for i in range(count))


# ---- Shapes ----


def split(x, sizes, axis, part):
    return np.split(x, np.cumsum(numbers(sizes))[:-1], int(axis))[int(part)]


def tile(x, repeats):
    return np.tile(x, numbers(repeats))


def pad(x, before, after, mode="constant"):
    pairs = list(zip(numbers(before), numbers(after)))
    for axis, (low, high) in enumerate(pairs):
        x = x[slices(x.ndim, axis, slice(max(0, -low), x.shape[axis] + min(high, 0)))]
    return np.pad(x, [(max(low, 0), max(high, 0)) for low, high in pairs], mode)


def triangle(x, kept="lower", diagonal="0"):
    return (np.tril if kept == "lower" else np.triu)(x, int(diagonal))


def reverse_sequence(x, lengths, axis, batch_axis):
    x = np.moveaxis(x, (int(batch_axis), int(axis)), (0, 1)).copy()
    for i, length in enumerate(lengths):
        x[i, : int(length)] = x[i, : int(length)][::-1]
    return np.moveaxis(x, (0, 1), (int(batch_axis), int(axis)))


def depth_to_space(x, block, order="depth"):
    n, c, h, w = x.shape
    b = int(block)
    if order == "depth":
        return x.reshape(n, b, b, c // b // b, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * b)
    return x.reshape(n, c // b // b, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * b, w * b)


def space_to_depth(x, block):
    n, c, h, w = x.shape
    b = int(block)
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, -1, h // b, w // b)


def permute(x, axes):
    return x.transpose(numbers(axes))


# ---- Indices ----


def gather_elements(x, indices, axis="0"):
    out = np.empty(indices.shape, x.dtype)
    for place in np.ndindex(indices.shape):
        at = list(place)
        at[int(axis)] = indices[place]
        out[place] = x[tuple(at)]
    return out


REDUCTIONS = {"none": lambda a, b: b, "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "min": min, "max": max}


def scatter_elements(x, indices, updates, axis="0", reduction="none"):
    out = x.copy()
    for place in np.ndindex(indices.shape):
        at = list(place)
        at[int(axis)] = indices[place]
        out[tuple(at)] = REDUCTIONS[reduction](out[tuple(at)], updates[place])
    return out


def gather_nd(x, indices, batch_dims="0"):
    b = int(batch_dims)
    rows = [x[place[:b] + tuple(indices[place])] for place in np.ndindex(indices.shape[:-1])]
    return np.array(rows, x.dtype).reshape(indices.shape[:-1] + x.shape[b + indices.shape[-1] :])


def scatter_nd(x, indices, updates, reduction="none"):
    out = x.copy()
    for place in np.ndindex(indices.shape[:-1]):
        at = tuple(indices[place])
        for inner in np.ndindex(out[at].shape):
            out[at + inner] = REDUCTIONS[reduction](out[at + inner], updates[place + inner])
    return out


def nonzero(x):
    return "i64", np.stack(np.nonzero(x))


def compress(x, mask, axis=None):
    return np.compress(mask.astype(bool), x, None if axis is None else int(axis))


def unique(x, axis=None, part="0"):
    found = np.unique(x.astype(np.float64) if axis is None else x.astype(np.int64), True, True, True, None if axis is None else int(axis))
    values = found[int(part)]
    return values if part == "0" else ("i64", values.reshape(-1))


def one_hot(indices, values, depth, axis):
    depth = int(depth)
    places = np.arange(depth) == np.expand_dims((indices.astype(np.int64) + depth) % depth, -1)
    return np.moveaxis(np.where(places, values[1], values[0]), -1, int(axis))


# ---- Images ----

MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}


def resize(x, sizes, mode="nearest", corners="0", antialias="0"):
    options = {} if mode == "nearest" else {"align_corners": bool(int(corners)), "antialias": bool(int(antialias))}
    return F.interpolate(torch.tensor(x), numbers(sizes), mode=MODES[mode], **options)


def grid_sample(x, grid, mode="linear", padding="zeros", corners="0"):
    mode = "bicubic" if mode == "cubic" else "bilinear" if mode == "linear" else mode
    return F.grid_sample(torch.tensor(x), torch.tensor(grid), mode, padding, bool(int(corners)))


def affine_grid(theta, sizes, corners="0"):
    return F.affine_grid(torch.tensor(theta), numbers(sizes), bool(int(corners)))


def boxes_of(parts):
    """Two corners each, in [0, 16), from values in [-1, 1)."""
    corners = torch.tensor(parts).reshape(-1, 2, 2) * 8 + 8
    return torch.cat([corners.amin(1), corners.amax(1)], -1)


def roi_align(x, parts, scale="1", samples="2", aligned="1"):
    boxes = boxes_of(parts)
    images = torch.arange(len(boxes)) % len(x)
    rois = torch.cat([images[:, None].double(), boxes], -1)
    return torchvision.ops.roi_align(torch.tensor(x), rois, (3, 5), float(scale), int(samples), bool(int(aligned)))


def non_max_suppression(parts, scores, overlap):
    kept = torchvision.ops.nms(boxes_of(parts), torch.tensor(scores), float(overlap))
    return "i64", kept


def col2im(x, image, block, strides="1+1", pads="0+0", dilations="1+1"):
    return F.fold(torch.tensor(x), numbers(image), numbers(block), numbers(dilations), numbers(pads), numbers(strides))


def deform_conv(x, weight, offset, bias, mask, stride="1", pad="0"):
    x, weight, offset, bias, mask = (torch.tensor(part) for part in (x, weight, offset, bias, mask))
    return torchvision.ops.deform_conv2d(x, offset, weight, bias, int(stride), int(pad), 1, mask)


OPS = {f.__name__: f for f in (split, tile, pad, triangle, reverse_sequence, depth_to_space, space_to_depth, permute,
                               gather_elements, scatter_elements, gather_nd, scatter_nd, nonzero, compress, unique, one_hot,
                               resize, grid_sample, affine_grid, roi_align, non_max_suppression, col2im, deform_conv)}


def shape_cases():
    for t in DTYPES:
        yield f"split({t}[3,7,5],sizes=2+0+5,axis=1,part=2)"
        yield f"tile({t}[3,1,7],repeats=2+3+1)"
        yield f"triangle({t}[2,7,5],kept=upper,diagonal=1)"
        yield f"triangle({t}[3,13],kept=lower,diagonal=-2)"
        yield f"pad({t}[3,7],before=1+2,after=0+13)"
        yield f"permute({t}[3,67,129],axes=0+2+1)"
        yield f"permute({t}[2,3,35,7],axes=0+3+1+2)"
    for mode in ("constant", "reflect", "edge", "wrap"):
        for t in ("f32", "u8", "f16"):
            yield f"pad({t}[3,7,5],before=2+-1+0,after=1+4+-2,mode={mode})"
            yield f"pad({t}[1,5],before=3+11,after=0+9,mode={mode})"
        yield f"pad(f32[13],before=-5,after=-7,mode={mode})"
    yield "tile(f32[5],repeats=0)"
    yield "tile(f32[0,3],repeats=2+2)"
    yield "tile(f64[2,3,1,1,2,1],repeats=1+2+3+1+2+1)"
    yield "triangle(f32[7,7],kept=upper,diagonal=-9)"
    yield "triangle(f32[7,7],kept=lower,diagonal=-9)"
    for t in ("f32", "i8"):
        yield f"reverse_sequence({t}[7,5,3],i64[5]~ids8,axis=0,batch_axis=1)"
        yield f"reverse_sequence({t}[3,5,7],i32[3]~ids8,axis=2,batch_axis=0)"
        for order in ("depth", "block"):
            yield f"depth_to_space({t}[3,18,5,7],block=3,order={order})"
        yield f"space_to_depth({t}[2,3,6,10],block=2)"
    for axes in ("1+0", "0+1"):
        yield f"permute(f32[257,131],axes={axes})"


def indexing_cases():
    for t in DTYPES:
        yield f"gather_elements({t}[7,5],i64[3,5]~signed_ids7)"
        yield f"gather_elements({t}[3,13,7],i32[3,2,5]~ids13,axis=1)"
        yield f"gather_nd({t}[5,5,7],i64[3,2]~signed_ids5)"
        yield f"scatter_elements({t}[13,7],i32[1,7]~ids13,{t}[1,7])"
        yield f"scatter_nd({t}[13,7],i64[1,1]~signed_ids13,{t}[1,7])"
        yield f"compress({t}[3,13],bool[13],axis=1)"
        yield f"one_hot(i64[3,2]~signed_ids5,{t}[2],depth=5,axis=1)"
        yield f"nonzero({t}[7,13]{'' if t in FLOATS else '~ids2'})"
    yield "gather_elements(f32[3,7,129],i64[3,7,129]~ids129,axis=2)"
    yield "gather_nd(f32[3,7,13],i64[3,5,1]~ids7,batch_dims=1)"
    yield "gather_nd(f32[3,7,13],i64[3,7,1]~ids13,batch_dims=2)"
    yield "compress(f32[3,5],bool[13])"
    for t, reduction in itertools.product(("f32", "f64", "i32", "u8"), ("add", "mul", "min", "max")):
        yield f"scatter_elements({t}[7,5]~ids5,i64[7,5]~ids5,{t}[7,5]~ids3,axis=1,reduction={reduction})" if t not in FLOATS else (
            f"scatter_elements({t}[7,5],i64[7,5]~ids5,{t}[7,5],axis=1,reduction={reduction})")
        yield f"scatter_nd({t}[7,5]{'' if t in FLOATS else '~ids5'},i64[4,1]~ids7,{t}[4,5]{'' if t in FLOATS else '~ids3'},reduction={reduction})"
    for part in range(4):
        yield f"unique(i32[129]~ids13,part={part})"
        yield f"unique(i64[13,2]~ids2,axis=0,part={part})"
        yield f"unique(u8[2,3,13]~ids2,axis=2,part={part})"


def image_cases():
    for t in ("f32", "f64", "f16"):
        for sizes in ("10+14", "3+29", "13+2", "5+7", "1+1"):
            yield f"resize({t}[2,3,5,7],sizes={sizes})"
            for mode, corners in itertools.product(("linear", "cubic"), (0, 1)):
                yield f"resize({t}[2,3,5,7],sizes={sizes},mode={mode},corners={corners})"
        yield f"resize({t}[1,2,13,17],sizes=5+3,mode=linear,antialias=1)"
        yield f"resize({t}[1,2,13,17],sizes=5+40,mode=cubic,antialias=1)"
        for mode, padding, corners in itertools.product(("nearest", "linear", "cubic"), ("zeros", "border", "reflection"), (0, 1)):
            yield f"grid_sample({t}[2,3,5,7],{t}[2,3,4,2]~positive,mode={mode},padding={padding},corners={corners})"
    for mode in ("nearest", "linear"):
        yield f"grid_sample(f32[2,2,3,5,7],f32[2,3,2,4,3],mode={mode})"
    for t, corners in itertools.product(("f32", "f64"), (0, 1)):
        yield f"affine_grid({t}[2,2,3],sizes=2+1+5+7,corners={corners})"
        yield f"affine_grid({t}[1,3,4],sizes=1+1+2+1+3,corners={corners})"
    for scale, samples, aligned in ((1, 2, 1), (0.5, 0, 1), (1, 0, 0), (0.25, 3, 0)):
        yield f"roi_align(f32[2,3,13,17],f32[7,4],scale={scale},samples={samples},aligned={aligned})"
    for overlap in (0.1, 0.5, 0.9):
        yield f"non_max_suppression(f32[29,4],f32[29],overlap={overlap})"
    yield "col2im(f32[2,18,16],image=5+6,block=2+3)"
    yield "col2im(f64[1,12,20],image=7+9,block=2+2,strides=2+2,pads=1+1,dilations=1+2)"
    yield "deform_conv(f32[2,3,7,5],f32[5,3,3,2],f32[2,12,5,4],f32[5],f32[2,6,5,4])"
    yield "deform_conv(f32[1,4,7,5],f32[6,2,3,3],f32[1,36,4,3],f32[6],f32[1,18,4,3],stride=2,pad=1)"


def result_dtype(op, inputs):
    return inputs[1][0] if op == "one_hot" else inputs[0][0]


def main():
    goldens = {}
    for case in itertools.chain(shape_cases(), indexing_cases(), image_cases()):
        op, inputs, options = parse(case)
        arrays = [array if dtype in FLOATS else array.astype(np.int64) for dtype, array in inputs]
        found = OPS[op](*arrays, **options)
        dtype, values = found if isinstance(found, tuple) else (result_dtype(op, inputs), found)
        if dtype not in FLOATS and dtype != "i64":
            values = np.asarray(values).astype(np.int64) & 0xFF if dtype == "u8" else values
        assert case not in goldens, case
        goldens[case] = sampled(torch.as_tensor(np.asarray(values)).to(DTYPES[dtype])).contiguous().clone()
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    path.write_bytes(safetensors.torch.save(goldens))
    print(len(goldens), "cases,", path.stat().st_size, "bytes")


main()
