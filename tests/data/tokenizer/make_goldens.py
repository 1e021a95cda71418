#!/usr/bin/env python3
"""Writes the tokenizers and the ids beside this script with the `tokenizers` package (0.23 was used).

    make_goldens.py SHARED      # the folder of shared test data

Small vocabularies of several designs are trained here and stored whole; of published ones only the
ids are stored. Every text is encoded without and with the tokens around it.
"""
import json
import pathlib
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

HERE = pathlib.Path(__file__).parent
SHARED = pathlib.Path(sys.argv[1])
CORPUS = [str(SHARED / "tokenizers/sentencepiece/botchan.txt")]

TEXTS = [
    "Hello", " Hello", "Hello world", "  Hello   world  ", "Hello, world! It's me.", "a", " ", "  ",
    "\n", "\n\n\n", "\t\tif x:\n\t\t\treturn y\n", " \n \n\n x", "\r\nline\r\n", "trailing space ",
    "I'm you're he'd they'll we've 'S 'LL don'T", "ALL CAPS AND Some CamelCaseWords",
    "1 12 123 1234 12345 3.14159 1,000,000", "x" * 70, "ab" * 40, " " * 40, "a" + " " * 33 + "b",
    "foo(bar)[baz]{qux}; // comment, COMMENT", "def f(x):\n    return x ** 2  # square\n",
    "for (int i = 0; i < 10; ++i) { printf(\"%d\\n\", i); }", "https://example.org/a?b=c&d=%20#e",
    "user@example.com", "a_b_c-d-e.f", "!!!???...---===", "``quoted'' \"text\" 'here'", "$100 €50 £7",
    "café naïve façade", "cafe\u0301 nai\u0308ve", "Ångström \u212b \u00c5 A\u030a", "ﬁne ﬂow ﬀ",
    "Straße GROSSE İstanbul ıI", "你好，世界！", "我想在apple工作1314151天～", "こんにちは世界 カタカナ ｶﾀｶﾅ", "안녕하세요 세계",
    "Привет, мир! Ёлка", "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "កាន់តែពិសេស", "😀 😃👍🏽 👨‍👩‍👧‍👦 🇩🇪", "🚀🚀🚀", "mixed 漢字 and кириллица и emoji 😶‍🌫️!", "\u200b\u200d\ufeffzero\u00adwidth",
    "non\u00a0breaking\u3000wide\u2003em", "\x00\x01\x02\x1b[0m\x7f", "\x85\x0b\x0c", "½ ² ³ Ⅷ ①②③ ٣٤٥",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕏", "\U0010ffff\ue000", "<s> </s> <unk> <pad>", "<|endoftext|>hi<|endoftext|>",
    "say <mask> now", "<|im_start|>user\nhi<|im_end|>\n", "<|startoftranscript|><|en|>", "<0x0A> <0x41>",
    "▁already▁marked ▁", "<|0.00|> word <|1.00|>", "Hello<s>world </s> again",
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
]


def train(tokenizer, size, **options):
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, **options)
    tokenizer.train(CORPUS, trainer)
    return tokenizer


def with_bytes(tokenizer):
    """The same tokenizer with "<0x00>" to "<0xFF>" put after its special tokens."""
    data = json.loads(tokenizer.to_str())
    special = len(data["added_tokens"])
    old = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    names = old[:special] + [f"<0x{byte:02X}>" for byte in range(256)] + old[special:]
    data["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    data["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(data))


def around(tokenizer, bos, eos=None):
    ids = [(name, tokenizer.token_to_id(name)) for name in (bos, eos) if name]
    single = f"{bos} $A" + (f" {eos}" if eos else "")
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=ids)
    return tokenizer


SPECIAL = ["<unk>", "<s>", "</s>"]


def prepend_style():
    """As Llama 2: a mark in front, marks for spaces, bytes for unknown characters, no splitting."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    train(tokenizer, 700, special_tokens=SPECIAL)
    tokenizer = with_bytes(tokenizer)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    return around(tokenizer, "<s>")


def metaspace_style(scheme):
    """As Mistral: Metaspace as the pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    train(tokenizer, 600, special_tokens=SPECIAL)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return around(tokenizer, "<s>", "</s>")


def merged_style():
    """As Gemma: marks for spaces, none in front, a split that never applies."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    train(tokenizer, 600, special_tokens=SPECIAL)
    tokenizer = with_bytes(tokenizer)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return around(tokenizer, "<s>")


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level_style():
    """As Llama 3: a pattern, bytes, and words taken whole where they are tokens; tokens that take
    the white space around them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    train(tokenizer, 700, special_tokens=["<|begin|>"],
          initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True), AddedToken("<s>", rstrip=True)])
    tokenizer.add_tokens([AddedToken("漢字", normalized=False), AddedToken("ab ab")])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = around(tokenizer, "<|begin|>")
    data = json.loads(tokenizer.to_str())
    data["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(data))


def steps_style():
    """Digits, punctuation, NFKC and lower case before bytes, and a space in front."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"-{2,}"), "—")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    train(tokenizer, 500, special_tokens=["<s>"],
          initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([AddedToken("comment", normalized=True)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def qwen2():
    """The published vocabulary under the published steps."""
    folder = SHARED / "tokenizers/hf/qwen2"
    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return tokenizer


def golden(tokenizer):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    return {
        "ids": ids,
        "around": tokenizer.encode("a").ids,
        "decoded": [tokenizer.decode(one, skip_special_tokens=True) for one in ids],
    }


def main():
    trained = {
        "prepend": prepend_style(),
        "metaspace_first": metaspace_style("first"),
        "metaspace_always": metaspace_style("always"),
        "merged": merged_style(),
        "byte_level": byte_level_style(),
        "steps": steps_style(),
    }
    published = {"qwen2": qwen2()}
    for name in ("roberta-base", "whisper.tiny", "clip"):
        published[name] = Tokenizer.from_file(str(SHARED / f"tokenizers/hf/{name}/tokenizer.json"))
    for name, tokenizer in trained.items():
        (HERE / f"{name}.json").write_text(tokenizer.to_str(), encoding="utf-8")
    goldens = {name: golden(one) for name, one in {**trained, **published}.items()}
    with open(HERE / "goldens.json", "w", encoding="utf-8") as file:
        file.write('{"texts": ' + json.dumps(TEXTS) + ',\n"tokenizers": {\n')
        file.write(",\n".join(f'"{name}": {json.dumps(one)}' for name, one in goldens.items()))
        file.write("\n}}\n")


main()
