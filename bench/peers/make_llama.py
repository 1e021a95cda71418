#!/usr/bin/env python3
"""Writes Llama models of random weights as GGUF, to measure speed with.

    make_llama.py DIR [--type BF16 Q8_0 Q4_0 Q4_K_M] [--layers 16] [--seed 1]

Makes DIR/llama-LAYERS-TYPE.gguf for each type; files that are there are left alone. The BF16 file is
written tensor by tensor; the others are made from it by `llama-quantize`, so each has the mixture of
tensor types that files of that name have. With 16 layers a model has 1.1 billion parameters.
Needs numpy, the gguf package and, for types other than BF16, llama.cpp's tools.
"""

import argparse
import itertools
import pathlib
import subprocess

import gguf
import numpy as np

WIDTH, HIDDEN, HEADS, KV_HEADS, VOCABULARY, CONTEXT = 2048, 8192, 32, 8, 32000, 4096
SPECIALS = ["<unk>", "<s>", "</s>"]
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def vocabulary():
    """Pieces, scores and kinds of a SentencePiece BPE vocabulary.

    After the three specials and the 256 bytes come single characters and then every string of letters, with and
    without a leading space, by length: each is a shorter piece and one more letter, so all can be reached by merges.
    """
    pieces = SPECIALS + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    scores = [0.0] * len(pieces)
    strings = (start + "".join(rest) for length in itertools.count(1)
               for start in ["\u2581", *ALPHABET] for rest in itertools.product(ALPHABET, repeat=length))
    characters = ["\u2581", *ALPHABET, *ALPHABET.upper(), *"0123456789.,;:!?'\"()-\n"]
    for piece in itertools.chain(characters, strings):
        if len(pieces) == VOCABULARY:
            return pieces, scores, kinds
        scores.append(float(len(SPECIALS) + 256 - len(pieces)))
        pieces.append(piece)
        kinds.append(gguf.TokenType.NORMAL)


def tensors(layers):
    """Names and shapes in the order of the file; vectors are the gains of norms."""
    kv_width = WIDTH // HEADS * KV_HEADS
    yield "token_embd.weight", (VOCABULARY, WIDTH)
    for layer in range(layers):
        for name, shape in [("attn_norm", (WIDTH,)), ("attn_q", (WIDTH, WIDTH)), ("attn_k", (kv_width, WIDTH)),
                            ("attn_v", (kv_width, WIDTH)), ("attn_output", (WIDTH, WIDTH)), ("ffn_norm", (WIDTH,)),
                            ("ffn_gate", (HIDDEN, WIDTH)), ("ffn_up", (HIDDEN, WIDTH)), ("ffn_down", (WIDTH, HIDDEN))]:
            yield f"blk.{layer}.{name}.weight", shape
    yield "output_norm.weight", (WIDTH,)
    yield "output.weight", (VOCABULARY, WIDTH)


def random_bf16(random, shape):
    """Normal values, scaled so that a product keeps the size of its input, rounded to bf16."""
    values = random.standard_normal(shape, dtype=np.float32)
    values *= shape[-1] ** -0.5
    bits = values.view(np.uint32)
    bits += 0x7FFF + (bits >> 16 & 1)
    return (bits >> 16).astype(np.uint16)


def write_bf16(path, layers, seed):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"Random Llama, {layers} layers")
    writer.add_block_count(layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)

    pieces, scores, kinds = vocabulary()
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)

    for name, shape in tensors(layers):
        if len(shape) == 1:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), 4 * shape[0])
        else:
            writer.add_tensor_info(name, shape, np.dtype(np.uint16), 2 * shape[0] * shape[1],
                                   raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(seed)
    for _, shape in tensors(layers):
        writer.write_tensor_data(np.ones(shape, np.float32) if len(shape) == 1 else random_bf16(random, shape))
    writer.close()


def make(path, write):
    """Writes to a name of its own first, so that a file under its final name is whole."""
    if path.exists():
        return
    print(f"writing {path.name}", flush=True)
    part = path.with_suffix(".part")
    write(part)
    part.rename(path)


def quantize(source, path, kind):
    done = subprocess.run(["llama-quantize", source, path, kind], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"llama-quantize {kind} failed:\n{done.stdout}{done.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--type", nargs="+", default=["BF16", "Q8_0", "Q4_0", "Q4_K_M"])
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    options.dir.mkdir(parents=True, exist_ok=True)
    paths = {kind: options.dir / f"llama-{options.layers}-{kind}.gguf" for kind in ["BF16", *options.type]}
    if all(paths[kind].exists() for kind in options.type):
        return
    make(paths["BF16"], lambda part: write_bf16(part, options.layers, options.seed))
    for kind, path in paths.items():
        make(path, lambda part, kind=kind: quantize(paths["BF16"], part, kind))


if __name__ == "__main__":
    main()
