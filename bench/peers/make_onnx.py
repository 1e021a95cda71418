"""Writes ONNX models of common networks with random weights: make_onnx.py FOLDER [NAME...]

Torchvision's and transformers' own definitions, exported by PyTorch at batch 1; each with NAME.INPUT.npy
beside it, the inputs to run it on.
"""

import pathlib
import sys

import numpy
import torch
import torchvision
import transformers


def image_input(size=224):
    return {"x": torch.randn(1, 3, size, size)}


def convolution(ins, outs, stride=1, kernel=3):
    return torch.nn.Sequential(
        torch.nn.Conv2d(ins, outs, kernel, stride, kernel // 2, bias=False),
        torch.nn.BatchNorm2d(outs),
        torch.nn.SiLU(),
    )


class Detector(torch.nn.Module):
    """The shape of a YOLO: residual stages of SiLU convolutions, and heads at three scales."""

    def __init__(self):
        super().__init__()
        widths = [32, 64, 128, 256]
        self.stem = convolution(3, 16, 2)
        self.down = torch.nn.ModuleList()
        self.blocks = torch.nn.ModuleList()
        self.heads = torch.nn.ModuleList()
        before = 16
        for width in widths:
            self.down.append(convolution(before, width, 2))
            half = width // 2
            self.blocks.append(
                torch.nn.ModuleList(
                    torch.nn.Sequential(convolution(width, half, 1, 1), convolution(half, width))
                    for _ in range(3)
                )
            )
            before = width
        for width in widths[1:]:
            self.heads.append(torch.nn.Conv2d(width, 84, 1))

    def forward(self, x):
        x = self.stem(x)
        outputs = []
        for i, (down, blocks) in enumerate(zip(self.down, self.blocks)):
            x = down(x)
            for block in blocks:
                x = x + block(x)
            if i > 0:
                outputs.append(self.heads[i - 1](x).flatten(2))
        return torch.cat(outputs, 2)


class Bert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = transformers.BertConfig(attn_implementation="eager")
        self.model = transformers.BertModel(config, add_pooling_layer=False)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask)[0]


class WhisperEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        config = transformers.WhisperConfig(attn_implementation="eager")
        self.model = transformers.WhisperModel(config).encoder

    def forward(self, input_features):
        return self.model(input_features)[0]


MODELS = {
    "resnet50": (torchvision.models.resnet50, image_input()),
    "mobilenet_v2": (torchvision.models.mobilenet_v2, image_input()),
    "efficientnet_b0": (torchvision.models.efficientnet_b0, image_input()),
    "bert_base": (
        Bert,
        {
            "input_ids": torch.randint(0, 30000, (1, 128)),
            "attention_mask": torch.ones(1, 128, dtype=torch.int64),
        },
    ),
    "vit_b_16": (torchvision.models.vit_b_16, image_input()),
    "detector": (Detector, image_input(640)),
    "whisper_tiny_encoder": (WhisperEncoder, {"input_features": torch.randn(1, 80, 3000)}),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        torch.manual_seed(0)
        make, inputs = MODELS[name]
        model = make().eval()
        for parameter in model.parameters():  # some begin at zero, and with them the output
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
        unfinished = path.with_suffix(".part")
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            str(unfinished),
            input_names=list(inputs),
            output_names=["y"],
            opset_version=17,
            dynamo=False,
        )
        for key, value in inputs.items():
            numpy.save(folder / f"{name}.{key}.npy", value.numpy())
        unfinished.rename(path)


if __name__ == "__main__":
    main()
