"""A small Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied embeddings."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INITIAL_DEVIATION = 0.02


@dataclass(frozen=True)
class Config:
    vocabulary: int = 1024
    context: int = 512
    hidden: int = 256
    feed_forward: int = 512
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    norm_epsilon: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    def hugging_face(self, end_of_text: int) -> dict[str, object]:
        """The content of `config.json`."""
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "vocab_size": self.vocabulary, "hidden_size": self.hidden, "intermediate_size": self.feed_forward,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "head_dim": self.head_size,
            "max_position_embeddings": self.context, "rms_norm_eps": self.norm_epsilon,
            "rope_theta": self.rope_theta, "rope_scaling": None, "attention_bias": False, "mlp_bias": False,
            "attention_dropout": 0.0, "initializer_range": INITIAL_DEVIATION, "tie_word_embeddings": True,
            "bos_token_id": end_of_text, "eos_token_id": end_of_text, "pad_token_id": None, "pretraining_tp": 1,
            "use_cache": True, "torch_dtype": "float32"}


class RMSNorm(nn.Module):
    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotary_tables(config: Config) -> tuple[Tensor, Tensor]:
    """Cosines and sines `[context, head_size]`, the second half of a head repeating the first."""
    frequencies = config.rope_theta ** (-torch.arange(0, config.head_size, 2).float() / config.head_size)
    angles = torch.outer(torch.arange(config.context).float(), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_size = config.heads, config.kv_heads, config.head_size
        self.q_proj = nn.Linear(config.hidden, self.heads * self.head_size, bias=False)
        self.k_proj = nn.Linear(config.hidden, self.kv_heads * self.head_size, bias=False)
        self.v_proj = nn.Linear(config.hidden, self.kv_heads * self.head_size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_size, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = (projection(x).view(batch, length, -1, self.head_size).transpose(1, 2)
                   for projection in (self.q_proj, self.k_proj, self.v_proj))
        q = rotate(q, cos, sin) / math.sqrt(self.head_size)
        k = rotate(k, cos, sin)
        group = self.heads // self.kv_heads
        q = q.reshape(batch * self.kv_heads, group * length, self.head_size)  # the heads of a group share k and v
        k = k.reshape(batch * self.kv_heads, length, self.head_size)
        v = v.reshape(batch * self.kv_heads, length, self.head_size)
        scores = torch.bmm(q, k.transpose(1, 2)).view(-1, group, length, length)
        weights = (scores + mask.to(scores.dtype)).softmax(-1).view(-1, group * length, length)
        out = torch.bmm(weights.to(v.dtype), v).view(batch, self.heads, length, self.head_size)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.feed_forward, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Parameter names are those of Hugging Face's LlamaModel."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_epsilon)
        cos, sin = rotary_tables(config)
        mask = torch.full((config.context, config.context), -math.inf).triu(1)
        for name, buffer in (("cos", cos), ("sin", sin), ("mask", mask)):
            self.register_buffer(name, buffer, persistent=False)
        residual_deviation = INITIAL_DEVIATION / math.sqrt(2 * config.layers)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=residual_deviation if into_residual else INITIAL_DEVIATION)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits `[batch, length, vocabulary]` for ids `[batch, length]`."""
        length = ids.shape[1]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length], self.mask[:length, :length])
        return F.linear(self.norm(x), self.embed_tokens.weight)

    def loss(self, ids: Tensor) -> Tensor:
        """Mean cross entropy of each token but the first, given those before it."""
        logits = self(ids[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())

    @torch.no_grad()
    def generate(self, prompt: list[int], count: int, temperature: float = 0.0, stop: int | None = None,
                 generator: torch.Generator | None = None) -> list[int]:
        """Up to `count` more tokens: the likeliest ones, or sampled where the temperature is above zero."""
        self.eval()
        ids = list(prompt)
        while len(ids) - len(prompt) < count:
            logits = self(torch.tensor([ids[-self.config.context:]]))[0, -1]
            if temperature > 0:
                token = int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))
            else:
                token = int(logits.argmax())
            if token == stop:
                break
            ids.append(token)
        return ids[len(prompt):]


def parameter_count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())
