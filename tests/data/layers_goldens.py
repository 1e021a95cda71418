"""Writes layers_goldens.safetensors: what PyTorch's modules give, in f64 on the f32 weights that golden_inputs.py's
formula gives, rounded once to f32. tests/layers builds the same layers with the same weights. Needs torch, numpy and
safetensors."""

import pathlib

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from golden_inputs import units


def values(seed, *shape):
    count = 1
    for size in shape:
        count *= size
    return torch.tensor(units(seed, count)).reshape(shape)


def load(module):
    """The weights, in the order of their names, have seeds from 10 on, and half the range of inputs."""
    module = module.double()
    state = {name: values(10 + i, *tensor.shape) / 2 for i, (name, tensor) in enumerate(sorted(module.state_dict().items()))}
    module.load_state_dict(state)
    return module.eval()


class GroupedAttention(nn.Module):
    """Self-attention as Hugging Face models store it."""

    def __init__(self, dim, heads, kv_heads, bias):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, dim // heads
        self.q_proj = nn.Linear(dim, dim, bias)
        self.k_proj = nn.Linear(dim, kv_heads * self.head_dim, bias)
        self.v_proj = nn.Linear(dim, kv_heads * self.head_dim, bias)
        self.o_proj = nn.Linear(dim, dim, bias)

    def forward(self, x, causal=False, window=None):
        batch, tokens, _ = x.shape
        q, k, v = (p(x).view(batch, tokens, h, self.head_dim).transpose(1, 2)
                   for p, h in ((self.q_proj, self.heads), (self.k_proj, self.kv_heads), (self.v_proj, self.kv_heads)))
        seen = torch.ones(tokens, tokens, dtype=torch.bool)
        if causal:
            seen = seen.tril()
        if window:
            seen = seen.triu(1 - window)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))


def joined_attention(dim, heads, bias, x, causal):
    module = load(nn.MultiheadAttention(dim, heads, bias=bias, batch_first=True))
    hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1) if causal else None
    return module(x, x, x, attn_mask=hidden, need_weights=False)[0]


def goldens():
    mlp = load(nn.Sequential(nn.Linear(7, 13), nn.ReLU(), nn.Linear(13, 5), nn.Softmax(-1)))
    for rows in (1, 3, 33):
        yield f"mlp {rows}", mlp(values(1, rows, 7))
    x = values(1, 3, 13) * 4
    for module in (nn.ReLU(), nn.LeakyReLU(0.25), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.Softmax(0)):
        yield str(module), module(x)
    yield "LayerNorm", load(nn.LayerNorm(13, eps=0.125))(x)
    yield "LayerNorm without bias", load(nn.LayerNorm(13, eps=2.0**-17, bias=False))(x)
    yield "RMSNorm", load(nn.RMSNorm(13, eps=2.0**-17))(x)
    yield "Embedding", load(nn.Embedding(17, 5))(torch.tensor([[3, 0, 16], [7, 7, 1]]))
    x = values(1, 2, 7, 24)
    yield "joined attention", joined_attention(24, 3, True, x, False)
    yield "joined attention, causal, without bias", joined_attention(24, 3, False, x, True)
    for kv_heads, bias, causal, window in ((4, True, False, None), (2, False, True, None), (1, True, True, 3)):
        module = load(GroupedAttention(24, 4, kv_heads, bias))
        yield f"attention {kv_heads}", module(x, causal, window)


with torch.no_grad():
    tensors = {name: tensor.float().contiguous() for name, tensor in goldens()}
    pathlib.Path(__file__).with_suffix(".safetensors").write_bytes(safetensors.torch.save(tensors))
