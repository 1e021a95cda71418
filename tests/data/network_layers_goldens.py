"""Writes network_layers_goldens.safetensors: what PyTorch's modules of convolutional and recurrent networks give, in f64 on
weights that layers_goldens.py's rule gives, rounded once to f32. Needs torch, numpy and safetensors."""

import pathlib

import safetensors.torch
import torch
from torch import nn

from golden_inputs import units


def values(seed, *shape):
    count = 1
    for size in shape:
        count *= size
    return torch.tensor(units(seed, count)).reshape(shape)


def load(module):
    """The weights, in the order of their names, have seeds from 10 on, and half the range of inputs; variances are
    positive."""
    module = module.double()
    names = sorted(name for name in module.state_dict() if not name.endswith("num_batches_tracked"))
    state = {name: values(10 + i, *module.state_dict()[name].shape) / 2 for i, name in enumerate(names)}
    state = {name: tensor + 1 if name.endswith("running_var") else tensor for name, tensor in state.items()}
    module.load_state_dict(state, strict=False)
    return module.eval()


def states(module, name, x, *initial):
    y, last = module(x, *initial)
    yield name, y
    for part, state in zip("hc", last if isinstance(last, tuple) else (last,)):
        yield f"{name} {part}", state


def goldens():
    yield "Conv1d", load(nn.Conv1d(3, 5, 3, stride=2, padding=1, dilation=2))(values(1, 2, 3, 13))
    yield "Conv2d", load(nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2))(values(1, 2, 4, 7, 9))
    yield "Conv2d without bias", load(nn.Conv2d(3, 7, 3, bias=False))(values(1, 1, 3, 5, 5))
    yield "Conv3d", load(nn.Conv3d(2, 3, (2, 3, 3), padding=(0, 1, 1)))(values(1, 1, 2, 3, 5, 7))
    yield "ConvTranspose2d", load(nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2))(values(1, 1, 4, 5, 3))
    x = values(1, 2, 3, 9, 7)
    yield "MaxPool", nn.MaxPool2d(3, stride=2, padding=1)(x)
    yield "MaxPool dilated", nn.MaxPool2d((2, 3), ceil_mode=True, dilation=(2, 1))(x)
    yield "AvgPool", nn.AvgPool2d(3, stride=2, padding=1)(x)
    yield "AvgPool of elements", nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)(x)
    yield "AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((4, 3))(x)
    yield "BatchNorm", load(nn.BatchNorm2d(3, eps=2.0**-10))(x)
    yield "BatchNorm of rows", load(nn.BatchNorm1d(13, affine=False))(values(1, 5, 13))
    yield "GroupNorm", load(nn.GroupNorm(3, 6))(values(1, 2, 6, 5, 7))
    yield "InstanceNorm", nn.InstanceNorm2d(3)(x)
    yield "InstanceNorm affine", load(nn.InstanceNorm2d(3, affine=True))(x)
    ids = torch.tensor([3, 0, 16, 7, 7, 1, 2])
    for mode in ("sum", "mean", "max"):
        bag = load(nn.EmbeddingBag(17, 5, mode=mode))
        yield f"EmbeddingBag {mode}", bag(ids[:6].reshape(2, 3))
        yield f"EmbeddingBag {mode} offsets", bag(ids, torch.tensor([0, 3, 3, 4]))
    x = values(1, 5, 3, 7)
    for name, module in (("RNN", nn.RNN(7, 13)), ("RNN relu", nn.RNN(7, 13, nonlinearity="relu", bias=False)),
                         ("GRU", nn.GRU(7, 13)), ("LSTM", nn.LSTM(7, 13)),
                         ("GRU deep", nn.GRU(7, 5, num_layers=2, bidirectional=True, batch_first=True)),
                         ("LSTM deep", nn.LSTM(7, 5, num_layers=3, bidirectional=True))):
        yield from states(load(module), name, x)
    h, c = values(2, 1, 3, 13), values(3, 1, 3, 13)
    yield from states(load(nn.GRU(7, 13)), "GRU from a state", x, h)
    yield from states(load(nn.LSTM(7, 13)), "LSTM from a state", x, (h, c))
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Conv2d(8, 13, 3),
                            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(13, 5))
    yield "CNN", load(network)(values(1, 3, 1, 13, 11))


with torch.no_grad():
    tensors = {name: tensor.float().contiguous() for name, tensor in goldens()}
    pathlib.Path(__file__).with_suffix(".safetensors").write_bytes(safetensors.torch.save(tensors))
