"""Trains a small convolutional network to read handwritten digits, and exports it to ONNX.

    python3 digits.py OUT     writes OUT/digits.onnx, OUT/digits.txt (its labels, a line each) and OUT/digit.png

Needs PyTorch, scikit-learn (whose 1,797 digits of the UCI "Optical Recognition of Handwritten Digits" set it
trains on, CC BY 4.0) and Pillow. Takes a few minutes on two cores. The network takes f32 images [batch, 1, 32, 32]
in [0, 1], light on dark, and gives logits [batch, 10].
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SIZE = 32
EPOCHS, BATCH, HELD_OUT = 25, 64, 297


class Digits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [1, 8, 16, 32]
        blocks = [nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))
                  for i, o in zip(widths, widths[1:])]
        self.features = nn.Sequential(*blocks)
        self.head = nn.Linear(widths[-1], len(LABELS))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean(dim=(2, 3)))


def moved(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image turned, scaled and shifted a little, as hands do."""
    count = len(images)
    random = lambda low, high: low + (high - low) * torch.rand(count, generator=generator)
    angle, scale = random(-0.25, 0.25), random(0.85, 1.2)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift_x, shift_y = random(-0.15, 0.15), random(-0.15, 0.15)
    theta = torch.stack([torch.stack([cos, -sin, shift_x], 1), torch.stack([sin, cos, shift_y], 1)], 1)
    return F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)


def load() -> tuple[Tensor, Tensor]:
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    images = F.interpolate(images, (SIZE, SIZE), mode="bilinear", align_corners=False)
    order = torch.from_numpy(np.random.default_rng(1).permutation(len(images)))
    return images[order], torch.tensor(data.target)[order]


def train(images: Tensor, digits: Tensor) -> Digits:
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for epoch in range(EPOCHS):
        total = 0.0
        order = torch.randperm(len(images), generator=generator)[: len(images) // BATCH * BATCH]
        for batch in order.split(BATCH):
            loss = F.cross_entropy(model(moved(images[batch], generator)), digits[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() / (steps // EPOCHS)
        print(f"\repoch {epoch + 1} of {EPOCHS}: loss {total:.3f}", end="" if sys.stdout.isatty() else "\n", flush=True)
    return model.eval()


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    images, digits = load()
    model = train(images[HELD_OUT:], digits[HELD_OUT:])
    with torch.no_grad():
        right = (model(images[:HELD_OUT]).argmax(1) == digits[:HELD_OUT]).sum().item()
    print(f"\nheld out: {right} of {HELD_OUT} right; {sum(p.numel() for p in model.parameters())} parameters")
    torch.onnx.export(model, (images[:1],), str(out / "digits.onnx"), input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}}, opset_version=17, dynamo=False)
    (out / "digits.txt").write_text("\n".join(LABELS) + "\n")
    sample = next(i for i in range(HELD_OUT) if digits[i] == 7)
    pixels = F.interpolate(images[sample : sample + 1], (128, 128), mode="bicubic").clamp(0, 1)[0, 0]
    Image.fromarray((pixels.numpy() * 255).astype(np.uint8)).save(out / "digit.png")


if __name__ == "__main__":
    main()
