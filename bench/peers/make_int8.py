"""Writes ONNX models in int8: make_int8.py FOLDER NAME...

FOLDER/given/NAME.onnx with its input and output renamed to x and y; resnet50_int8 is resnet50.onnx of the folder
quantised by ONNX Runtime's tools (QDQ, a scale for each channel of the weights). Each with NAME.x.npy beside it.
"""

import pathlib
import sys

import numpy
import onnx
from onnxruntime import quantization


def image(seed, shape=(1, 3, 224, 224)):
    return numpy.random.default_rng(seed).standard_normal(shape).astype(numpy.float32)


class Images(quantization.CalibrationDataReader):
    def __init__(self, count):
        self.left = [{"x": image(i)} for i in range(count)]

    def get_next(self):
        return self.left.pop() if self.left else None


def rename(model, before, after):
    for node in model.graph.node:
        node.input[:] = [after if name == before else name for name in node.input]
        node.output[:] = [after if name == before else name for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        if value.name == before:
            value.name = after


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:]:
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        unfinished = path.with_suffix(".part")
        if name == "resnet50_int8":
            quantization.quantize_static(
                folder / "resnet50.onnx", unfinished, Images(4), quantization.QuantFormat.QDQ, per_channel=True
            )
        else:
            model = onnx.load(folder / "given" / path.name)
            weights = {tensor.name for tensor in model.graph.initializer}
            rename(model, next(i.name for i in model.graph.input if i.name not in weights), "x")
            rename(model, model.graph.output[0].name, "y")
            onnx.save(model, unfinished)
        given = next(i for i in onnx.load(unfinished).graph.input if i.name == "x")
        shape = [dim.dim_value or 1 for dim in given.type.tensor_type.shape.dim]
        numpy.save(folder / f"{name}.x.npy", image(0, shape))
        unfinished.rename(path)


if __name__ == "__main__":
    main()
