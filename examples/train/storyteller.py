#!/usr/bin/env python3
"""Trains a small model that tells stories, from nothing: corpus, tokenizer, Llama model, safetensors and GGUF.

Needs PyTorch, NumPy and Matplotlib (Debian: python3-torch python3-numpy python3-matplotlib, and for speed
libopenblas0-pthread).
"""

import argparse
import ctypes
import json
import math
import random
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from storyteller_export import export_gguf, export_hugging_face, round_through_q8_0
from storyteller_grammar import write_corpus
from storyteller_model import Config, Llama, parameter_count
from storyteller_plots import PLOTS
from storyteller_report import History, plot_losses, sample_section, write_readme
from storyteller_tokenizer import Tokenizer

VALIDATION_STORIES = 1000
VALIDATION_WINDOWS = 32
TOKENIZER_STORIES = 10_000
BATCH = 4
LEARNING_RATE, FINAL_LEARNING_RATE = 2e-3, 1e-4
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)
GRADIENT_NORM = 1.0
EVALUATE_EVERY = 200
PATIENCE = 10  # evaluations without a better validation loss
QUICK_STORIES, QUICK_STEPS, QUICK_EVALUATE_EVERY, QUICK_SAMPLE_TOKENS = 600, 40, 20, 50
QUICK_MODEL = {"hidden": 64, "feed_forward": 128, "layers": 2, "heads": 4, "kv_heads": 2}

GOLDEN_PROMPTS = ("Once upon a time", "Mia had a red kite", "One windy morning, the little fox")
GOLDEN_TOKENS = 60
SAMPLES = (("Greedy", "Once upon a time", 0.0), ("Temperature 0.8", "Once upon a time", 0.8),
           ("Temperature 0.8", "There once was a clever otter named", 0.8))
SAMPLE_TOKENS = 400
BAR_WIDTH = 40
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("storyteller-out"), metavar="DIR",
                        help="where to write storyteller-q8_0.gguf, README.md, loss.png and the Hugging Face folder "
                             "storyteller/ (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the corpus and of training (default: %(default)s)")
    parser.add_argument("--stories", type=int, default=50_000, help="stories to write (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10_000, help="most steps to train (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=math.inf,
                        help="longest time to train; the learning rate falls in time for it (default: no limit)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(),
                        help="CPU threads; more than are free slow it down (default: PyTorch's own choice)")
    parser.add_argument("--bf16", action="store_true",
                        help="multiply matrices in bfloat16 while training: faster on CPUs that have it")
    parser.add_argument("--golden", type=Path, metavar="FILE",
                        help="also write greedy continuations of some prompts, from the q8_0 weights, as JSON")
    parser.add_argument("--quick", action="store_true", help="a tiny model, trained for seconds: to try the script")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.stories, arguments.steps = QUICK_STORIES, QUICK_STEPS
    return arguments


@dataclass
class Corpus:
    """Stories as ids, each beginning with the end-of-text token."""

    tokenizer: Tokenizer
    train: list[list[int]]
    validation: list[list[int]]

    @property
    def train_tokens(self) -> int:
        return sum(map(len, self.train))


def build_corpus(count: int, seed: int, vocabulary: int) -> Corpus:
    """Different stories, split by story, so that no validation story is trained on."""
    stories = write_corpus(count, seed)
    held_out = min(VALIDATION_STORIES, count // 10)
    tokenizer = Tokenizer.train(stories[held_out:held_out + TOKENIZER_STORIES], vocabulary)
    encoded = [[tokenizer.end_of_text, *tokenizer.encode(story)] for story in stories]
    return Corpus(tokenizer, encoded[held_out:], encoded[:held_out])


def pack(stories: list[list[int]], length: int) -> Iterator[list[int]]:
    """Windows of `length` ids, each of which begins where a story begins."""
    window: list[int] = []
    for story in stories:
        window += story
        if len(window) >= length:
            yield window[:length]
            window = []


def training_batches(stories: list[list[int]], length: int, seed: int) -> Iterator[Tensor]:
    """Batches without end; the stories are shuffled for each epoch."""
    rng = random.Random(seed)
    order = list(stories)
    batch: list[list[int]] = []
    while True:
        rng.shuffle(order)
        for window in pack(order, length):
            batch.append(window)
            if len(batch) == BATCH:
                yield torch.tensor(batch)
                batch = []


def validation_batches(stories: list[list[int]], length: int) -> list[Tensor]:
    windows = torch.tensor(list(pack(stories, length))[:VALIDATION_WINDOWS])
    return list(windows.split(BATCH))


@torch.no_grad()
def evaluate(model: Llama, batches: list[Tensor]) -> float:
    model.eval()
    total = sum(model.loss(batch).item() * len(batch) for batch in batches)
    return total / sum(map(len, batches))


def make_optimizer(model: Llama) -> torch.optim.Optimizer:
    """AdamW; only matrices decay."""
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    norms = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS)


def learning_rate(step: int, progress: float, warmup_steps: int) -> float:
    """A linear warmup, then half a cosine over the whole run."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, (step + 1) / warmup_steps) * (
        FINAL_LEARNING_RATE + (LEARNING_RATE - FINAL_LEARNING_RATE) * cosine)


def show_progress(progress: float, step: int, loss: float) -> None:
    if sys.stderr.isatty():
        bar = "#" * int(BAR_WIDTH * progress)
        print(f"\r[{bar:{BAR_WIDTH}}] step {step}, loss {loss:.3f} ", end="", file=sys.stderr, flush=True)


def report(line: str) -> None:
    """Prints a line, where the progress bar was if there is one."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    print(line, flush=True)


class Interrupt:
    """Turns the first SIGINT into a wish to stop; the second one ends the program."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self.ask)

    def ask(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Result:
    history: History = field(default_factory=History)
    steps: int = 0
    minutes: float = 0.0
    best_step: int = 0
    training_loss: float = math.inf
    validation_loss: float = math.inf
    evaluations_since_best: int = 0

    def add(self, training_loss: float, validation_loss: float) -> bool:
        """Notes an evaluation; whether it is the best so far."""
        self.history.add(self.steps, training_loss, validation_loss)
        self.evaluations_since_best += 1
        better = validation_loss < self.validation_loss
        if better:
            self.best_step, self.evaluations_since_best = self.steps, 0
            self.training_loss, self.validation_loss = training_loss, validation_loss
        return better


def train_step(model: Llama, optimizer: torch.optim.Optimizer, batch: Tensor, bf16: bool) -> float:
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss = model.loss(batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
    optimizer.step()
    return loss.item()


def train(model: Llama, corpus: Corpus, arguments: argparse.Namespace) -> Result:
    """Trains until steps, time or patience run out, and leaves the best weights in the model."""
    window = model.config.context + 1
    validation = validation_batches(corpus.validation, window)
    batches = training_batches(corpus.train, window, arguments.seed)
    optimizer = make_optimizer(model)
    evaluate_every = QUICK_EVALUATE_EVERY if arguments.quick else EVALUATE_EVERY
    warmup_steps = min(WARMUP_STEPS, 1 + arguments.steps // 10)
    interrupt, result, begin = Interrupt(), Result(), time.monotonic()
    best, recent, done = model.state_dict(), [], False
    while not done:
        result.minutes = (time.monotonic() - begin) / 60
        progress = max(result.steps / arguments.steps, result.minutes / arguments.minutes)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(result.steps, progress, warmup_steps)
        recent.append(train_step(model, optimizer, next(batches), arguments.bf16))
        result.steps += 1
        show_progress(progress, result.steps, recent[-1])

        done = progress >= 1 or result.steps == arguments.steps or interrupt.asked
        if result.steps % evaluate_every == 0 or done:
            training_loss, validation_loss = sum(recent) / len(recent), evaluate(model, validation)
            recent = []
            if result.add(training_loss, validation_loss):
                best = deepcopy(model.state_dict())
            report(f"step {result.steps:5}  training {training_loss:.4f}  validation {validation_loss:.4f}  "
                   f"{result.minutes:.1f} min")
            done = done or result.evaluations_since_best == PATIENCE
    model.load_state_dict(best)
    return result


def write_golden(path: Path, model: Llama, tokenizer: Tokenizer) -> None:
    """Greedy continuations to compare another implementation with."""
    cases = []
    for prompt in GOLDEN_PROMPTS:
        prompt_ids = [tokenizer.end_of_text, *tokenizer.encode(prompt)]
        ids = model.generate(prompt_ids, GOLDEN_TOKENS, stop=tokenizer.end_of_text)
        cases.append({"prompt": prompt, "prompt_ids": prompt_ids, "ids": ids, "text": tokenizer.decode(ids)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


def write_samples(model: Llama, tokenizer: Tokenizer, seed: int, length: int) -> str:
    generator = torch.Generator().manual_seed(seed)
    sections = []
    for title, prompt, temperature in SAMPLES:
        ids = model.generate([tokenizer.end_of_text, *tokenizer.encode(prompt)], length, temperature,
                             tokenizer.end_of_text, generator)
        sections.append(sample_section(title, prompt, tokenizer.decode(ids)))
    return "".join(sections)


def keep_freed_memory() -> None:
    """Has glibc reuse the memory of large tensors: new pages for each cost nearly as much as the arithmetic."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def export(folder: Path, model: Llama, corpus: Corpus, result: Result) -> Path:
    """Writes the model in both formats and the plot; returns the GGUF file."""
    gguf = folder / "storyteller-q8_0.gguf"
    export_gguf(gguf, model, corpus.tokenizer)
    export_hugging_face(folder / "storyteller", model, corpus.tokenizer)
    plot_losses(folder / "loss.png", result.history)
    return gguf


def describe(path: Path, model: Llama, corpus: Corpus, result: Result, quantized_loss: float,
             **facts: object) -> None:
    """Writes the README of the trained model."""
    losses = {"training_loss": result.training_loss, "validation_loss": result.validation_loss,
              "quantized_loss": quantized_loss}
    tokens = result.steps * BATCH * model.config.context
    write_readme(
        path, model.config, losses, parameters=parameter_count(model), millions=parameter_count(model) / 1e6,
        stories=len(corpus.train) + len(corpus.validation), validation_stories=len(corpus.validation),
        train_tokens=corpus.train_tokens, plots=len(PLOTS), steps=result.steps, best_step=result.best_step,
        tokens=tokens, epochs=tokens / corpus.train_tokens, weight_decay=WEIGHT_DECAY, minutes=result.minutes,
        command=shlex.join(["python3", *sys.argv]), **facts)


def main() -> None:
    arguments = parse_arguments()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)

    config = replace(Config(), **QUICK_MODEL) if arguments.quick else Config()
    corpus = build_corpus(arguments.stories, arguments.seed, config.vocabulary)
    model = Llama(replace(config, vocabulary=len(corpus.tokenizer.tokens)))
    print(f"{len(corpus.train)} stories, {corpus.train_tokens} tokens, {parameter_count(model)} parameters")

    result = train(model, corpus, arguments)
    gguf = export(arguments.out, model, corpus, result)

    round_through_q8_0(model)  # from here on, the model is the one in the GGUF file
    quantized_loss = evaluate(model, validation_batches(corpus.validation, config.context + 1))
    samples = write_samples(model, corpus.tokenizer, arguments.seed,
                            QUICK_SAMPLE_TOKENS if arguments.quick else SAMPLE_TOKENS)
    describe(arguments.out / "README.md", model, corpus, result, quantized_loss, samples=samples,
             megabytes=gguf.stat().st_size / 1e6, threads=arguments.threads)
    if arguments.golden:
        write_golden(arguments.golden, model, corpus.tokenizer)
    print(f"best validation loss {result.validation_loss:.4f} at step {result.best_step}, {quantized_loss:.4f} in q8_0"
          f"\n{samples}\nwritten to {arguments.out}")


if __name__ == "__main__":
    main()
