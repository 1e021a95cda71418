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


class DeepLab(torch.nn.Module):
    def __init__(self):
        super().__init__()
        make = torchvision.models.segmentation.deeplabv3_resnet50
        self.model = make(weights=None, weights_backbone=None, aux_loss=False)

    def forward(self, x):
        return self.model(x)["out"]


class SeparatorBlock(torch.nn.Module):
    """A block of Conv-TasNet (Luo and Mesgarani, 2019)."""

    def __init__(self, ins, hidden, dilation):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(ins, hidden, 1),
            torch.nn.PReLU(),
            torch.nn.GroupNorm(1, hidden),
            torch.nn.Conv1d(hidden, hidden, 3, padding=dilation, dilation=dilation, groups=hidden),
            torch.nn.PReLU(),
            torch.nn.GroupNorm(1, hidden),
        )
        self.residual = torch.nn.Conv1d(hidden, ins, 1)
        self.skip = torch.nn.Conv1d(hidden, ins, 1)

    def forward(self, x):
        y = self.layers(x)
        return x + self.residual(y), self.skip(y)


class ConvTasNet(torch.nn.Module):
    """Two speakers of one second at 8 kHz."""

    def __init__(self, filters=256, length=20, ins=128, hidden=256):
        super().__init__()
        self.encoder = torch.nn.Conv1d(1, filters, length, length // 2, bias=False)
        self.norm = torch.nn.GroupNorm(1, filters)
        self.bottleneck = torch.nn.Conv1d(filters, ins, 1)
        blocks = [SeparatorBlock(ins, hidden, 2**i) for _ in range(2) for i in range(8)]
        self.blocks = torch.nn.ModuleList(blocks)
        self.mask = torch.nn.Sequential(
            torch.nn.PReLU(), torch.nn.Conv1d(ins, 2 * filters, 1), torch.nn.Sigmoid()
        )
        self.decoder = torch.nn.ConvTranspose1d(filters, 1, length, length // 2, bias=False)

    def forward(self, x):
        encoded = self.encoder(x)
        y = self.bottleneck(self.norm(encoded))
        total = 0
        for block in self.blocks:
            y, skip = block(y)
            total = total + skip
        first, second = self.mask(total).chunk(2, 1)
        return torch.cat([self.decoder(encoded * first), self.decoder(encoded * second)], 1)


class LstmTagger(torch.nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.embedding = torch.nn.Embedding(10000, 128)
        self.lstm = torch.nn.LSTM(128, width, 2, bidirectional=True)
        self.tags = torch.nn.Linear(2 * width, 20)

    def forward(self, ids):
        return self.tags(self.lstm(self.embedding(ids))[0])


class Gpt2Step(torch.nn.Module):
    """One token after 128 that are in the cache."""

    layers, heads, width, past = 6, 6, 384, 128

    def __init__(self):
        super().__init__()
        config = transformers.GPT2Config(
            n_layer=self.layers,
            n_head=self.heads,
            n_embd=self.width,
            vocab_size=8192,
            attn_implementation="eager",
        )
        self.model = transformers.GPT2LMHeadModel(config)

    @classmethod
    def inputs(cls):
        past = (1, cls.heads, cls.past, cls.width // cls.heads)
        caches = {f"past_{i}": torch.randn(past) for i in range(2 * cls.layers)}
        return {"ids": torch.randint(0, 8192, (1, 1)), **caches}

    def forward(self, ids, *past):
        x = self.model.transformer.wte(ids) + self.model.transformer.wpe.weight[self.past]
        present = []
        for block, key, value in zip(self.model.transformer.h, past[::2], past[1::2]):
            qkv = block.attn.c_attn(block.ln_1(x)).split(self.width, 2)
            q, k, v = (y.reshape(1, -1, self.heads, key.shape[3]).transpose(1, 2) for y in qkv)
            key, value = torch.cat([key, k], 2), torch.cat([value, v], 2)
            scores = torch.softmax(q @ key.transpose(2, 3) / key.shape[3] ** 0.5, 3)
            y = (scores @ value).transpose(1, 2).reshape(x.shape)
            x = x + block.attn.c_proj(y)
            x = x + block.mlp(block.ln_2(x))
            present += [key, value]
        return self.model.lm_head(self.model.transformer.ln_f(x)), *present


MODELS = {
    "resnet18": (torchvision.models.resnet18, image_input()),
    "convnext_tiny": (torchvision.models.convnext_tiny, image_input()),
    "swin_t": (torchvision.models.swin_t, image_input()),
    "deeplabv3": (DeepLab, image_input(256)),
    "conv_tasnet": (ConvTasNet, {"x": torch.randn(1, 1, 8000)}),
    "lstm_tagger": (LstmTagger, {"ids": torch.randint(0, 10000, (64, 1))}),
    "gpt2_step": (Gpt2Step, Gpt2Step.inputs()),
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
            output_names=["y"],  # and the others as they come
            opset_version=17,
            dynamo=False,
        )
        for key, value in inputs.items():
            numpy.save(folder / f"{name}.{key}.npy", value.numpy())
        unfinished.rename(path)


if __name__ == "__main__":
    main()
