"""ONNX Runtime's side of onnx_shapes.sh: onnx_shapes.py MODEL COUNT prints "shapes MB" lines; with COUNT 0, it writes
the model: a small network over an image of any size."""

import pathlib
import resource
import sys

import numpy


def make(path):
    import torch

    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1),
        torch.nn.Sigmoid(), torch.nn.Conv2d(16, 8, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 10),
    )
    torch.onnx.export(network, torch.randn(1, 3, 16, 16), path, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {2: "height", 3: "width"}}, opset_version=17, dynamo=False)


def resident_megabytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main():
    model, count = sys.argv[1], int(sys.argv[2])
    if count == 0:
        return make(model)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    before = resident_megabytes()  # the interpreter and its libraries
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for i in range(count):
        place = i * 7919 % 10000  # as plan_memory_bench.cpp
        session.run(None, {"x": numpy.full((1, 3, 8 + place // 100, 8 + place % 100), 0.5, numpy.float32)})
        if (i + 1) % (count // 10) == 0:
            print(i + 1, f"{resident_megabytes() - before:.1f}")


if __name__ == "__main__":
    main()
