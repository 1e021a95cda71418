"""Makes tests/data/old_forms/: models of one operator each in forms of opset 1 to 9 that later ones dropped, with inputs,
and outputs by ONNX Runtime where it runs them, else by NumPy as the operator's text says. Usage: old_forms.py FOLDER"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper

ROOT = pathlib.Path(sys.argv[1])
RANDOM = np.random.default_rng(5)


def f32(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def runtime(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)


def case(name, opset, op, inputs, wanted=None, count=1, **attributes):
    """`inputs`: arrays, or None where absent; `wanted`: None for ONNX Runtime's results, of which there are `count`."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    given = {n: x for n, x in zip(names, inputs) if n}
    outs = [f"y{i}" for i in range(count if wanted is None else len(wanted))]
    infos = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in given.items()]
    results = [helper.make_empty_tensor_value_info(n) for n in outs]
    graph = helper.make_graph([helper.make_node(op, names, outs, **attributes)], name, infos, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)
    wanted = runtime(model, given) if wanted is None else wanted
    for n, x in zip(outs, wanted):
        value = helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), None)
        next(each for each in model.graph.output if each.name == n).CopyFrom(value)
    data = ROOT / name / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (ROOT / name / "model.onnx").write_bytes(model.SerializeToString())
    for kind, arrays, labels in (("input", given.values(), given), ("output", wanted, outs)):
        for i, (array, label) in enumerate(zip(arrays, labels)):
            (data / f"{kind}_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(array), label).SerializeToString())


a = f32(2, 3, 4, 5)
positive = np.abs(a) + 0.5
FUNCTIONS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power,
             "Greater": np.greater, "Less": np.less}
for op, function in FUNCTIONS.items():
    middle = (np.abs(f32(3, 4)) + 0.5)
    case(f"{op.lower()}_axis", 6, op, [positive, middle], [function(positive, middle[..., None])], axis=1, broadcast=1)
last = f32(5)
case("add_last", 1, "Add", [a, last], [a + last], broadcast=1, consumed_inputs=[0, 0])
case("add_negative_axis", 6, "Add", [a, last], [a + last], broadcast=1, axis=-1)
one = f32(1, 1)
case("mul_one", 6, "Mul", [a, one], [a * one], broadcast=1)
first = f32(2)
case("sub_first", 6, "Sub", [a, first], [a - first[:, None, None, None]], axis=0, broadcast=1)
bits, some = a > 0, np.array([True, False, True])
for op, function in {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}.items():
    case(f"{op.lower()}_axis", 1, op, [bits, some], [function(bits, some[:, None, None])], axis=1, broadcast=1)
numbers = RANDOM.integers(0, 3, (2, 3, 4)).astype(np.int32)
case("equal_axis", 1, "Equal", [numbers, np.array([0, 1, 2], np.int32)],
     [numbers == np.array([0, 1, 2], np.int32)[:, None]], axis=1, broadcast=1)

slope = f32(3)
case("prelu_channels", 6, "PRelu", [a, slope], [np.where(a < 0, a * slope[:, None, None], a)])
case("prelu_one", 1, "PRelu", [a, slope[:1]], [np.where(a < 0, a * slope[0], a)], consumed_inputs=[0])
row = f32(4, 3)
case("prelu_matrix", 6, "PRelu", [row, slope], [np.where(row < 0, row * slope, row)])
square = f32(2, 3, 3)
case("prelu_square", 6, "PRelu", [square, slope], [np.where(square < 0, square * slope[:, None], square)])

m, n, c = f32(3, 4), f32(5, 4), f32(5)
case("gemm_broadcast", 6, "Gemm", [m, n, c], [(0.5 * m @ n.T + 2 * c).astype(np.float32)], transB=1, broadcast=1, alpha=0.5,
     beta=2.0)
case("gemm_whole", 1, "Gemm", [m, n.T.copy(), f32(3, 5) * 0], [m @ n.T])

for opset in (1, 6):
    more = {"consumed_inputs": [0, 0, 0, 0, 0]} if opset == 1 else {}
    statistics = [f32(3), f32(3), f32(3), np.abs(f32(3)) + 0.5]
    s, b, mean, variance = [x[:, None, None] for x in statistics]
    y = ((a - mean) / np.sqrt(variance + 1e-3) * s + b).astype(np.float32)
    case(f"batch_norm_{opset}", opset, "BatchNormalization", [a, *statistics], [y], is_test=1, epsilon=1e-3, **more)
    case(f"batch_norm_{opset}_one_output", opset, "BatchNormalization", [a, *statistics], [y], epsilon=1e-3, **more)
features = [f32(3, 4, 5), f32(3, 4, 5), f32(3, 4, 5), np.abs(f32(3, 4, 5)) + 0.5]
case("batch_norm_features", 8, "BatchNormalization", [a, *features], spatial=0)
case("batch_norm_training", 8, "BatchNormalization", [a, *statistics], count=5)

window = np.lib.stride_tricks.sliding_window_view(a, (2, 3), axis=(2, 3))
case("average_pool", 1, "AveragePool", [a], [window.mean((-2, -1), dtype=np.float32)], kernel_shape=[2, 3])
counted = np.pad(np.ones_like(a), ((0, 0), (0, 0), (1, 1), (1, 1)))
padded = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
sums = [np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3)).sum((-2, -1)) for x in (padded, counted)]
case("average_pool_pads", 6, "AveragePool", [a], [sums[0] / sums[1]], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
case("max_pool", 1, "MaxPool", [a], kernel_shape=[2, 2], strides=[2, 1], auto_pad="SAME_UPPER")
case("lp_pool", 1, "LpPool", [a], [(np.abs(window) ** 3).sum((-2, -1)) ** (1 / np.float32(3))], kernel_shape=[2, 3], p=3.0)
case("global_lp_pool", 1, "GlobalLpPool", [a], [(np.abs(a) ** 1.5).sum((2, 3), keepdims=True) ** np.float32(1 / 1.5)], p=1.5)

case("cast_name", 1, "Cast", [a * 4], [np.trunc(a * 4).astype(np.int32)], to="INT32")
case("cast_bool", 1, "Cast", [numbers], [numbers.astype(bool)], to="BOOL")
case("clip", 1, "Clip", [a], [np.clip(a, -0.5, 0.25)], min=-0.5, max=0.25, consumed_inputs=[0])
case("concat_default", 1, "Concat", [a, a], [np.concatenate([a, a], 1)])
case("dropout", 1, "Dropout", [a], [a], is_test=1, ratio=0.7)
case("dropout_mask", 7, "Dropout", [a], count=2)
case("elu", 1, "Elu", [a], [np.where(a < 0, np.float32(0.5) * np.expm1(a), a)], alpha=0.5, consumed_inputs=[0])
case("selu", 1, "Selu", [a], [(1.0507 * np.where(a < 0, 1.6732 * np.expm1(a), a)).astype(np.float32)])
case("hard_sigmoid", 1, "HardSigmoid", [a], [np.clip(0.2 * a + 0.5, 0, 1).astype(np.float32)])
mean, deviation = a.mean((2, 3), keepdims=True), a.std((2, 3), keepdims=True)
case("instance_norm", 1, "InstanceNormalization", [a, slope, slope],
     [((a - mean) / np.sqrt(deviation**2 + 1e-5) * slope[:, None, None] + slope[:, None, None]).astype(np.float32)])
case("pad", 1, "Pad", [row], [np.pad(row, ((1, 0), (2, 3)), constant_values=1.5)], paddings=[1, 2, 0, 3], value=1.5)
case("pad_2", 2, "Pad", [row], pads=[1, 2, 0, 3], mode="reflect")
case("reshape", 1, "Reshape", [a], [a.reshape(2, 12, 5)], shape=[0, -1, 5], consumed_inputs=[0])
case("reshape_5", 5, "Reshape", [a, np.array([0, -1, 5])])
case("softmax", 1, "Softmax", [a], axis=2)
case("split", 1, "Split", [a], [a[:, :1], a[:, 1:]], axis=1, split=[1, 2])
case("split_equal", 2, "Split", [a], axis=2, count=2)
case("tile", 1, "Tile", [row, np.array([2], np.float32), np.array([1], np.float32)], [np.concatenate([row, row], 1)])
case("top_k", 1, "TopK", [a], count=2, k=2, axis=2)
case("sum", 1, "Sum", [a, a, a], [a + a + a], consumed_inputs=[0, 0, 0])
case("max", 6, "Max", [a, -a])
case("upsample", 1, "Upsample", [a], [a.repeat(2, 2).repeat(3, 3)], height_scale=2.0, width_scale=3.0)
case("slice", 1, "Slice", [a], axes=[3, 1], starts=[-3, 0], ends=[2147483647, 2])
sequence = f32(4, 2, 3)
for op, gates in {"RNN": 1, "GRU": 3, "LSTM": 4}.items():
    weights = [f32(1, gates * 5, 3), f32(1, gates * 5, 5), f32(1, 2 * gates * 5)]
    graph = helper.make_graph([helper.make_node(op, ["x", "w", "r", "b"], ["y", "h"], hidden_size=5)], op,
                              [helper.make_tensor_value_info(n, T.FLOAT, x.shape) for n, x in zip("xwrb", [sequence, *weights])],
                              [helper.make_empty_tensor_value_info(n) for n in "yh"])
    newer = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)], ir_version=3)
    case(op.lower(), 1, op, [sequence, *weights], runtime(newer, dict(zip("xwrb", [sequence, *weights]))), hidden_size=5,
         output_sequence=1)

case("affine", 1, "Affine", [a], alpha=2.0, beta=-0.5)
case("crop", 1, "Crop", [a], border=[1, 0, 2, 1])
case("crop_scale", 6, "Crop", [a], border=[1, 2, 0, 0], scale=[1, 3])
case("dynamic_slice", 1, "DynamicSlice", [a, np.array([1, 0]), np.array([9, 2]), np.array([3, 1])])
case("dynamic_slice_first", 1, "DynamicSlice", [a, np.array([1, -2]), np.array([2, 3])])
case("image_scaler", 1, "ImageScaler", [a], scale=0.5, bias=[1.0, -2.0, 3.0])
for across in (0, 1):
    case(f"mean_variance_norm_{across}", 1, "MeanVarianceNormalization", [a], across_channels=across)
    case(f"mean_norm_{across}", 1, "MeanVarianceNormalization", [a], across_channels=across, normalize_variance=0)
case("parametric_softplus", 1, "ParametricSoftplus", [a], alpha=2.0, beta=0.5)
case("scale", 1, "Scale", [a], scale=3.0)
case("scaled_tanh", 1, "ScaledTanh", [a], alpha=2.0, beta=0.5)
case("thresholded_relu", 1, "ThresholdedRelu", [a], alpha=0.3)
case("resize_smaller", 10, "Resize", [a, np.array([1, 1, 0.5, 0.6], np.float32)], mode="nearest")
case("resize_both", 10, "Resize", [a, np.array([1, 1, 1.6, 0.7], np.float32)], mode="nearest")
case("resize_linear_smaller", 10, "Resize", [a, np.array([1, 1, 0.5, 0.6], np.float32)], mode="linear")
