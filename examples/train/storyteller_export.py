"""Writers for safetensors and GGUF (version 3), and the q8_0 quantisation of GGML."""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from storyteller_model import Config, Llama
from storyteller_tokenizer import Tokenizer, write_json

LICENSE = "Apache-2.0"
ALIGNMENT = 32
Q8_0_BLOCK = 32
FILE_TYPE_Q8_0, QUANTIZATION_VERSION = 7, 2
TENSOR_F32, TENSOR_Q8_0 = 0, 8
TOKEN_NORMAL, TOKEN_CONTROL = 1, 3
VALUE_UINT32, VALUE_INT32, VALUE_FLOAT32, VALUE_BOOL, VALUE_STRING, VALUE_ARRAY = 4, 5, 6, 7, 8, 9

GGUF_NAMES = {  # what Hugging Face calls the parts of a layer, and what GGUF does
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def quantize_q8_0(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales `[blocks, 1]` as f16 and values `[blocks, 32]` as int8; halves round away from zero."""
    blocks = weights.astype(np.float32).reshape(-1, Q8_0_BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    scaled = (blocks * inverse).astype(np.float64)
    return scales.astype(np.float16), (np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)).astype(np.int8)


def round_through_q8_0(model: Llama) -> None:
    """Gives the matrices the values that a reader of the q8_0 file sees."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                scales, values = quantize_q8_0(weight.numpy())
                rounded = scales.astype(np.float32) * values.astype(np.float32)
                weight.copy_(torch.from_numpy(rounded.reshape(tuple(weight.shape))))


def write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in tensors.values():
            file.write(tensor.detach().float().contiguous().numpy().astype("<f4").tobytes())


def export_hugging_face(folder: Path, model: Llama, tokenizer: Tokenizer) -> None:
    """A folder that LlamaForCausalLM and AutoTokenizer load."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", {f"model.{name}": w for name, w in model.named_parameters()})
    write_json(folder / "config.json", model.config.hugging_face(tokenizer.end_of_text))
    tokenizer.save(folder, model.config.context)


def gguf_string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


SCALAR_WRITERS = {
    VALUE_UINT32: lambda value: struct.pack("<I", value), VALUE_INT32: lambda value: struct.pack("<i", value),
    VALUE_FLOAT32: lambda value: struct.pack("<f", value), VALUE_BOOL: lambda value: struct.pack("<?", value),
    VALUE_STRING: gguf_string}


def gguf_entry(key: str, kind: int, value: object) -> bytes:
    """One metadata entry; a list is an array of `kind`."""
    write = SCALAR_WRITERS[kind]
    if isinstance(value, list):
        array = struct.pack("<IIQ", VALUE_ARRAY, kind, len(value))
        return gguf_string(key) + array + b"".join(write(item) for item in value)
    return gguf_string(key) + struct.pack("<I", kind) + write(value)


def gguf_metadata(config: Config, tokenizer: Tokenizer) -> list[bytes]:
    types = [TOKEN_CONTROL if i == tokenizer.end_of_text else TOKEN_NORMAL for i in range(len(tokenizer.tokens))]
    entries = [
        ("general.architecture", VALUE_STRING, "llama"),
        ("general.name", VALUE_STRING, "storyteller"),
        ("general.license", VALUE_STRING, LICENSE.lower()),
        ("general.file_type", VALUE_UINT32, FILE_TYPE_Q8_0),
        ("general.quantization_version", VALUE_UINT32, QUANTIZATION_VERSION),
        ("llama.vocab_size", VALUE_UINT32, config.vocabulary),
        ("llama.context_length", VALUE_UINT32, config.context),
        ("llama.embedding_length", VALUE_UINT32, config.hidden),
        ("llama.feed_forward_length", VALUE_UINT32, config.feed_forward),
        ("llama.block_count", VALUE_UINT32, config.layers),
        ("llama.attention.head_count", VALUE_UINT32, config.heads),
        ("llama.attention.head_count_kv", VALUE_UINT32, config.kv_heads),
        ("llama.attention.layer_norm_rms_epsilon", VALUE_FLOAT32, config.norm_epsilon),
        ("llama.rope.dimension_count", VALUE_UINT32, config.head_size),
        ("llama.rope.freq_base", VALUE_FLOAT32, config.rope_theta),
        ("tokenizer.ggml.model", VALUE_STRING, "gpt2"),
        ("tokenizer.ggml.pre", VALUE_STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", VALUE_STRING, tokenizer.tokens),
        ("tokenizer.ggml.token_type", VALUE_INT32, types),
        ("tokenizer.ggml.merges", VALUE_STRING, [f"{left} {right}" for left, right in tokenizer.merges]),
        ("tokenizer.ggml.bos_token_id", VALUE_UINT32, tokenizer.end_of_text),
        ("tokenizer.ggml.eos_token_id", VALUE_UINT32, tokenizer.end_of_text),
        ("tokenizer.ggml.add_bos_token", VALUE_BOOL, True),
    ]
    return [gguf_entry(*entry) for entry in entries]


def gguf_name(name: str) -> str:
    if not name.startswith("layers."):
        return {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}[name]
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{GGUF_NAMES[rest.removesuffix('.weight')]}.weight"


def interleave_rotary(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorders the rows of q or k: GGUF rotates neighbours where Hugging Face rotates halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def gguf_tensor(name: str, weight: np.ndarray, config: Config) -> tuple[int, bytes]:
    """A tensor's type and its data: matrices in q8_0, norms in f32."""
    if weight.ndim == 1:
        return TENSOR_F32, weight.astype("<f4").tobytes()
    if "attn_q" in name or "attn_k" in name:
        weight = interleave_rotary(weight, config.heads if "attn_q" in name else config.kv_heads)
    scales, values = quantize_q8_0(weight)
    return TENSOR_Q8_0, np.concatenate((scales.astype("<f2").view(np.int8), values), axis=1).tobytes()


def export_gguf(path: Path, model: Llama, tokenizer: Tokenizer) -> None:
    infos, data = b"", b""
    for hugging_face_name, parameter in model.named_parameters():
        weight, name = parameter.detach().float().numpy(), gguf_name(hugging_face_name)
        kind, encoded = gguf_tensor(name, weight, model.config)
        infos += gguf_string(name) + struct.pack(f"<I{weight.ndim}QIQ", weight.ndim, *reversed(weight.shape), kind,
                                                 len(data))
        data += encoded + b"\0" * (-len(encoded) % ALIGNMENT)
    metadata = gguf_metadata(model.config, tokenizer)
    tensor_count = sum(1 for _ in model.parameters())
    head = b"GGUF" + struct.pack("<IQQ", 3, tensor_count, len(metadata)) + b"".join(metadata) + infos
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + data)
