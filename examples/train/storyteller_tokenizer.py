"""A byte-level BPE tokenizer: training, encoding, and export as Hugging Face files."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

END_OF_TEXT = "<|endoftext|>"
# The pattern of GPT-2; in ASCII text \p{L} is [A-Za-z] and \p{N} is [0-9].
GPT2_PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")

Pair = tuple[str, str]


def byte_characters() -> list[str]:
    """The printable character that stands for each byte in a vocabulary, as GPT-2 has it."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(256 + others.index(byte)) if byte in others else chr(byte) for byte in range(256)]


BYTE_CHARACTERS = byte_characters()
CHARACTER_BYTES = {character: byte for byte, character in enumerate(BYTE_CHARACTERS)}


def split_words(text: str) -> list[str]:
    return GPT2_PATTERN.findall(text)


def to_characters(word: str) -> list[str]:
    return [BYTE_CHARACTERS[byte] for byte in word.encode()]


def merge_pair(symbols: list[str], pair: Pair) -> list[str]:
    """The symbols with every occurrence of the pair joined, from left to right."""
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


def learn_merges(texts: list[str], count: int) -> list[Pair]:
    """Up to `count` merges of the most frequent neighbours, counted over distinct words."""
    frequencies = Counter(word for text in texts for word in split_words(text))
    words = [to_characters(word) for word in frequencies]
    weights = list(frequencies.values())
    pair_counts: Counter[Pair] = Counter()
    words_with: dict[Pair, set[int]] = defaultdict(set)

    def count_pairs(index: int, sign: int) -> None:
        for pair in zip(words[index], words[index][1:]):
            pair_counts[pair] += sign * weights[index]
            words_with[pair].add(index)

    for index in range(len(words)):
        count_pairs(index, +1)
    merges: list[Pair] = []
    while len(merges) < count and pair_counts:
        best = max(pair_counts, key=lambda pair: (pair_counts[pair], pair))
        if pair_counts[best] < 2:
            break
        merges.append(best)
        for index in words_with.pop(best):
            count_pairs(index, -1)
            words[index] = merge_pair(words[index], best)
            count_pairs(index, +1)
        del pair_counts[best]
    return merges


class Tokenizer:
    """Ids: first the end-of-text token, then the 256 bytes, then one token for each merge."""

    end_of_text = 0

    def __init__(self, merges: list[Pair]) -> None:
        self.merges = merges
        self.tokens = [END_OF_TEXT, *sorted(BYTE_CHARACTERS), *(left + right for left, right in merges)]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.cache: dict[str, list[int]] = {}

    @classmethod
    def train(cls, texts: list[str], vocabulary_size: int) -> "Tokenizer":
        return cls(learn_merges(texts, vocabulary_size - 1 - len(BYTE_CHARACTERS)))

    def encode_word(self, word: str) -> list[int]:
        symbols = to_characters(word)
        while len(symbols) > 1:
            pair = min(zip(symbols, symbols[1:]), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if pair not in self.ranks:
                break
            symbols = merge_pair(symbols, pair)
        return [self.ids[symbol] for symbol in symbols]

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in split_words(text):
            if word not in self.cache:
                self.cache[word] = self.encode_word(word)
            ids += self.cache[word]
        return ids

    def decode(self, ids: list[int]) -> str:
        characters = "".join(self.tokens[i] for i in ids if i != self.end_of_text)
        return bytes(CHARACTER_BYTES[character] for character in characters).decode(errors="replace")

    def save(self, folder: Path, context: int) -> None:
        """`tokenizer.json` and `tokenizer_config.json`."""
        special = {"id": self.end_of_text, "content": END_OF_TEXT, "single_word": False, "lstrip": False,
                   "rstrip": False, "normalized": False, "special": True}
        first = {"SpecialToken": {"id": END_OF_TEXT, "type_id": 0}}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        write_json(folder / "tokenizer.json", {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [special], "normalizer": None,
            "pre_tokenizer": byte_level,
            "post_processor": {
                "type": "TemplateProcessing", "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {END_OF_TEXT: {"id": END_OF_TEXT, "ids": [self.end_of_text],
                                                 "tokens": [END_OF_TEXT]}}},
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": self.ids, "merges": [f"{left} {right}" for left, right in self.merges]}})
        write_json(folder / "tokenizer_config.json", {
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT,
            "add_bos_token": True, "add_prefix_space": False, "clean_up_tokenization_spaces": False,
            "model_max_length": context})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
