"""What a training run leaves for people to read: the loss plot and the model's README."""

from dataclasses import dataclass, field
from math import exp
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of the backend)

from storyteller_model import Config  # noqa: E402

README = """\
# storyteller

A language model of {millions:.2f} million parameters that tells short, simple stories. It is small enough to live in a
source tree: `storyteller-q8_0.gguf` is {megabytes:.1f} MB. It knows nothing but such stories, and it still mixes up
names, colors and places at times.

It was trained from scratch by [`examples/train/storyteller.py`](../train/storyteller.py), which writes its own corpus,
trains the tokenizer and the model, and exports both. Nothing was copied or downloaded. Licence: Apache-2.0, as the
rest of the project.

## Model

| | |
|---|---|
| architecture | Llama: RMSNorm, SwiGLU, rotary positions, grouped-query attention, tied embeddings, no biases |
| parameters | {parameters:,} |
| layers | {config.layers} |
| hidden size, feed-forward size | {config.hidden}, {config.feed_forward} |
| attention heads, key-value heads, head size | {config.heads}, {config.kv_heads}, {config.head_size} |
| context | {config.context} tokens |
| vocabulary | {config.vocabulary} tokens: byte-level BPE, GPT-2 pre-tokenisation |
| begin and end of text | `<|endoftext|>`, before every story |
| file | GGUF 3, matrices in q8_0, norms in f32 |

## Corpus

{stories:,} different stories from a grammar of {plots} plots: wishes, things lost and found, fears, gifts, races,
storms, friends. Within a story names, pronouns, places and things stay the same, and what happens has a cause.
{validation_stories:,} of the stories were held out for validation and occur nowhere in the others, which have
{train_tokens:,} tokens.

## Training

| | |
|---|---|
| training loss | {training_loss:.3f} nats a token (perplexity {training_perplexity:.2f}) |
| validation loss | {validation_loss:.3f} (perplexity {validation_perplexity:.2f}) |
| validation loss of the q8_0 weights | {quantized_loss:.3f} (perplexity {quantized_perplexity:.2f}) |
| steps | {steps:,}, best at {best_step:,}: {tokens:,} tokens, {epochs:.1f} epochs |
| regularisation | weight decay {weight_decay} (AdamW, matrices only), early stopping |
| time | {minutes:.0f} minutes, CPU threads: {threads} |

![training and validation loss](loss.png)

```
{command}
```

The same seed gives the same corpus and tokenizer; the weights also depend on the version of PyTorch and on the machine.

## Samples

From the q8_0 weights.
{samples}"""


@dataclass
class History:
    """Losses at each evaluation."""

    steps: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    def add(self, step: int, training: float, validation: float) -> None:
        self.steps.append(step)
        self.training.append(training)
        self.validation.append(validation)


def plot_losses(path: Path, history: History) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=100)
    axes.plot(history.steps, history.training, label="training")
    axes.plot(history.steps, history.validation, label="validation")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axes.yaxis.set_minor_formatter(matplotlib.ticker.ScalarFormatter())
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.set_title("storyteller")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def sample_section(title: str, prompt: str, continuation: str) -> str:
    quoted = "\n>\n> ".join(f"**{prompt}**{continuation}".strip().split("\n"))
    return f"\n{title}:\n\n> {quoted}\n"


def write_readme(path: Path, config: Config, losses: dict[str, float], **facts: object) -> None:
    """`losses` are named as in the template, and give their perplexities too."""
    perplexities = {name.replace("_loss", "_perplexity"): exp(loss) for name, loss in losses.items()}
    path.write_text(README.format(config=config, **losses, **perplexities, **facts), encoding="utf-8")
