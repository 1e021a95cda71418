"""Makes tests/data/contrib/: models of one operator each of the domains com.microsoft and ai.onnx.ml, and of
ai.onnx where the standard's own cases lack it, with inputs, and outputs by ONNX Runtime. Usage: contrib_goldens.py FOLDER"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper

ROOT = pathlib.Path(sys.argv[1])
MS = "com.microsoft"
ML = "ai.onnx.ml"
RANDOM = np.random.default_rng(7)


def f32(*shape, scale=1.0):
    return (RANDOM.standard_normal(shape) * scale).astype(np.float32)


def u8(*shape):
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return RANDOM.integers(-127, 128, shape).astype(np.int8)


def case(name, domain, op, inputs, outputs, **attributes):
    """`inputs`: arrays, or None where absent; `outputs`: element types, None where not asked for."""
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    outs = ["" if t is None else f"y{i}" for i, t in enumerate(outputs)]
    write(name, [helper.make_node(op, names, outs, domain=domain, **attributes)], names, inputs, outs, outputs)


def write(name, nodes, names, inputs, outs, outputs, opset=17, wanted=None):
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for n, x in zip(names, inputs) if n
    ]
    results = [helper.make_tensor_value_info(n, t, None) for n, t in zip(outs, outputs) if n]
    graph = helper.make_graph(nodes, name, infos, results)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1), helper.make_opsetid(ML, 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    feeds = {n: x for n, x in zip(names, inputs) if n}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        if wanted is None:
            wanted = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)
    except Exception as error:  # what this runtime lacks is not a case
        print("no reference for", name, str(error)[:200])
        return
    folder = ROOT / name
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for kind, arrays, labels in (("input", [x for x in inputs if x is not None], [n for n in names if n]),
                                 ("output", wanted, [n for n in outs if n])):
        for i, (array, label) in enumerate(zip(arrays, labels)):
            proto = numpy_helper.from_array(np.asarray(array), label)
            (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def quantised():
    a, b = u8(3, 7), u8(3, 7)
    ends = (scalar(0.03), scalar(100, np.uint8))
    case("qlinear_add", MS, "QLinearAdd", [a, scalar(0.02), scalar(120, np.uint8), b, scalar(0.01),
                                           scalar(7, np.uint8), *ends], [T.UINT8])
    case("qlinear_mul", MS, "QLinearMul", [a, scalar(0.02), scalar(120, np.uint8), b, scalar(0.01),
                                           scalar(7, np.uint8), *ends], [T.UINT8])
    case("qlinear_sigmoid", MS, "QLinearSigmoid",
         [a, scalar(0.05), scalar(128, np.uint8), scalar(1 / 256), scalar(0, np.uint8)], [T.UINT8])
    case("qlinear_leaky_relu", MS, "QLinearLeakyRelu",
         [a, scalar(0.05), scalar(128, np.uint8), *ends], [T.UINT8], alpha=0.2)
    case("qlinear_concat", MS, "QLinearConcat",
         [*ends, a, scalar(0.02), scalar(120, np.uint8), b, scalar(0.01), scalar(7, np.uint8)],
         [T.UINT8], axis=1)
    case("qlinear_global_average_pool", MS, "QLinearGlobalAveragePool",
         [u8(2, 3, 5, 7), scalar(0.02), scalar(120, np.uint8), scalar(0.01), scalar(90, np.uint8)],
         [T.UINT8])
    x, w = f32(3, 13), i8(13, 5)
    case("dynamic_quantize_matmul", MS, "DynamicQuantizeMatMul", [x, w, scalar(0.02)], [T.FLOAT])
    case("dynamic_quantize_matmul_bias", MS, "DynamicQuantizeMatMul",
         [x, u8(13, 5), f32(5) ** 2 + 0.01, u8(5), f32(5)], [T.FLOAT])
    case("matmul_integer_to_float", MS, "MatMulIntegerToFloat",
         [u8(3, 13), w, scalar(0.02), scalar(0.03), scalar(120, np.uint8), scalar(3, np.int8), f32(5)],
         [T.FLOAT])
    case("qgemm", MS, "QGemm",
         [u8(3, 13), scalar(0.02), scalar(120, np.uint8), u8(5, 13), scalar(0.03),
          scalar(100, np.uint8), RANDOM.integers(-999, 999, 5).astype(np.int32), scalar(0.1),
          scalar(128, np.uint8)], [T.UINT8], transB=1)


def normalisation():
    x, skip = f32(2, 3, 8), f32(2, 3, 8)
    case("skip_layer_normalization", MS, "SkipLayerNormalization",
         [x, skip, f32(8), f32(8), f32(8)], [T.FLOAT, None, None, T.FLOAT], epsilon=1e-5)
    case("skip_simplified_layer_normalization", MS, "SkipSimplifiedLayerNormalization",
         [x, skip, f32(8)], [T.FLOAT, None, None, T.FLOAT], epsilon=1e-5)
    case("simplified_layer_normalization", "", "SimplifiedLayerNormalization", [x, f32(8)],
         [T.FLOAT], epsilon=1e-5)
    ids = RANDOM.integers(0, 9, (2, 3)).astype(np.int32)
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    case("embed_layer_normalization", MS, "EmbedLayerNormalization",
         [ids, ids % 2, f32(9, 8), f32(4, 8), f32(2, 8), f32(8), f32(8), mask],
         [T.FLOAT, T.INT32, T.FLOAT])


def activations():
    x, bias = f32(2, 3, 8), f32(8)
    case("bias_gelu", MS, "BiasGelu", [x, bias], [T.FLOAT])
    case("fast_gelu", MS, "FastGelu", [x, bias], [T.FLOAT])
    case("gelu", MS, "Gelu", [x], [T.FLOAT])
    case("quick_gelu", MS, "QuickGelu", [x], [T.FLOAT], alpha=1.5)
    case("fused_matmul", MS, "FusedMatMul", [f32(2, 5, 3), f32(2, 7, 5)], [T.FLOAT], alpha=0.5,
         transA=1, transB=1)
    case("fused_matmul_batch", MS, "FusedMatMul", [f32(3, 2, 5), f32(2, 5, 7)], [T.FLOAT],
         transBatchA=1)


def attention():
    cos, sin = np.cos(f32(16, 4)), np.sin(f32(16, 4))
    wide = np.cos(f32(16, 8)), np.sin(f32(16, 8))
    positions = np.array([[3, 4, 5], [0, 1, 2]], np.int64)
    case("rotary_embedding", MS, "RotaryEmbedding", [f32(2, 3, 16), positions, cos, sin], [T.FLOAT])
    case("rotary_embedding_offset", MS, "RotaryEmbedding",
         [f32(2, 2, 3, 8), np.array([5], np.int64), cos, sin], [T.FLOAT], interleaved=1)
    q, kv = f32(2, 3, 16), f32(2, 5, 16)
    case("multi_head_attention", MS, "MultiHeadAttention", [q, kv, f32(2, 5, 16), f32(48)], [T.FLOAT],
         num_heads=2)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    case("multi_head_attention_mask", MS, "MultiHeadAttention",
         [q, kv, f32(2, 5, 16), None, mask, f32(2, 2, 3, 5)], [T.FLOAT], num_heads=2)
    case("multi_head_attention_past", MS, "MultiHeadAttention",
         [q, f32(2, 3, 16), f32(2, 3, 16), None, None, None, f32(2, 2, 4, 8), f32(2, 2, 4, 8)],
         [T.FLOAT, T.FLOAT, T.FLOAT], num_heads=2, unidirectional=1)
    case("attention", MS, "Attention", [f32(2, 3, 12), f32(12, 48), f32(48)], [T.FLOAT], num_heads=2)
    case("attention_mask", MS, "Attention",
         [f32(2, 3, 12), f32(12, 48), f32(48), np.array([[1, 1, 0], [1, 1, 1]], np.int32)], [T.FLOAT],
         num_heads=2)
    case("attention_past", MS, "Attention",
         [f32(2, 3, 12), f32(12, 48), f32(48), None, f32(2, 2, 2, 4, 8)], [T.FLOAT, T.FLOAT],
         num_heads=2, unidirectional=1)
    three = [T.FLOAT, T.FLOAT, T.FLOAT]
    total = lambda n: np.array([n], np.int32)
    heads = dict(num_heads=4, kv_num_heads=2)
    case("group_query_attention_prompt", MS, "GroupQueryAttention",
         [f32(2, 5, 32), f32(2, 5, 16), f32(2, 5, 16), None, None, np.array([4, 4], np.int32), total(5)],
         three, **heads)
    case("group_query_attention_rotary", MS, "GroupQueryAttention",
         [f32(2, 1, 64), f32(2, 1, 32), f32(2, 1, 32), f32(2, 2, 6, 16), f32(2, 2, 6, 16),
          np.array([6, 4], np.int32), total(7), *wide], three, do_rotary=1, **heads)
    case("group_query_attention_packed", MS, "GroupQueryAttention",
         [f32(1, 3, 64), None, None, None, None, np.array([2], np.int32), total(3)], three, softcap=3.0,
         **heads)
    case("group_query_attention_window", MS, "GroupQueryAttention",
         [f32(1, 9, 32), f32(1, 9, 16), f32(1, 9, 16), None, None, np.array([8], np.int32), total(9)],
         three, local_window_size=3, **heads)
    case("group_query_attention_sink", MS, "GroupQueryAttention",
         [f32(1, 3, 32), f32(1, 3, 16), f32(1, 3, 16), None, None, np.array([2], np.int32), total(3)],
         three, smooth_softmax=1, **heads)


def tables():
    x = f32(6, 4)
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer_{norm.lower()}", ML, "Normalizer", [x], [T.FLOAT], norm=norm)
    case("scaler", ML, "Scaler", [x], [T.FLOAT], offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2.0, 3.0, 4.0])
    gaps = x.copy()
    gaps[1, 2] = gaps[3, 0] = np.nan
    case("imputer", ML, "Imputer", [gaps], [T.FLOAT], imputed_value_floats=[1.0, 2.0, 3.0, 4.0],
         replaced_value_float=float("nan"))
    case("one_hot_encoder", ML, "OneHotEncoder", [np.array([2, 7, 5, 2], np.int64)], [T.FLOAT],
         cats_int64s=[2, 5, 9])
    case("category_mapper", ML, "CategoryMapper", [np.array([3, 1, 4], np.int64)], [T.STRING],
         cats_int64s=[1, 3], cats_strings=["one", "three"])
    case("label_encoder_float", ML, "LabelEncoder", [np.array([1.5, -7.25, 2.0], np.float32)],
         [T.INT64], keys_floats=[1.5, -7.25], values_int64s=[10, 20], default_int64=-3)
    case("feature_vectorizer", ML, "FeatureVectorizer", [x, f32(6, 2)], [T.FLOAT],
         inputdimensions=[4, 2])
    case("linear_regressor", ML, "LinearRegressor", [x], [T.FLOAT], targets=2,
         coefficients=f32(8).tolist(), intercepts=[0.5, -0.5])
    for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"):
        case(f"linear_classifier_{transform.lower()}", ML, "LinearClassifier", [x], [T.INT64, T.FLOAT],
             coefficients=(f32(12) * (0.02 if transform == "PROBIT" else 1)).tolist(),
             intercepts=[0.5, 0.4, 0.3], classlabels_ints=[10, 20, 30], post_transform=transform)
    for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
        case(f"linear_classifier_binary_{transform.lower()}", ML, "LinearClassifier", [x],
             [T.STRING, T.FLOAT], coefficients=f32(4).tolist(), intercepts=[0.1],
             classlabels_strings=["no", "yes"], post_transform=transform)


def stumps(targets, trees=3, depth_values=(0.0, 0.5, -0.5)):
    """Trees of three branches and four leaves: the lists of nodes, and where the leaves are."""
    nodes = dict(nodes_treeids=[], nodes_nodeids=[], nodes_featureids=[], nodes_values=[],
                 nodes_modes=[], nodes_truenodeids=[], nodes_falsenodeids=[],
                 nodes_missing_value_tracks_true=[])
    leaves = []
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT"]
    for tree in range(trees):
        for number in range(7):
            branch = number < 3
            nodes["nodes_treeids"].append(tree)
            nodes["nodes_nodeids"].append(number)
            nodes["nodes_featureids"].append((tree + number) % 4 if branch else 0)
            nodes["nodes_values"].append(depth_values[number] if branch else 0.0)
            nodes["nodes_modes"].append(modes[(tree + number) % 3] if branch else "LEAF")
            nodes["nodes_truenodeids"].append(2 * number + 1 if branch else 0)
            nodes["nodes_falsenodeids"].append(2 * number + 2 if branch else 0)
            nodes["nodes_missing_value_tracks_true"].append(number % 2 if branch else 0)
            if not branch:
                leaves += [(tree, number, target) for target in targets]
    return nodes, leaves


def votes(prefix, leaves, weights):
    return {f"{prefix}_treeids": [leaf[0] for leaf in leaves],
            f"{prefix}_nodeids": [leaf[1] for leaf in leaves],
            f"{prefix}_ids": [leaf[2] for leaf in leaves], f"{prefix}_weights": weights}


def trees():
    x = f32(13, 4)
    x[2, 1] = np.nan
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        nodes, leaves = stumps([0, 1])
        case(f"tree_regressor_{aggregate.lower()}", ML, "TreeEnsembleRegressor", [x], [T.FLOAT],
             n_targets=2, aggregate_function=aggregate, base_values=[0.5, 1.5], **nodes,
             **votes("target", leaves, f32(len(leaves)).tolist()))
    for transform in ("NONE", "SOFTMAX", "LOGISTIC"):
        for name, weigh in (("positive", lambda n: (np.abs(f32(n)) / 4).tolist()),
                            ("signed", lambda n: f32(n).tolist())):
            nodes, leaves = stumps([0])
            case(f"tree_classifier_one_{name}_{transform.lower()}", ML, "TreeEnsembleClassifier", [x],
                 [T.INT64, T.FLOAT], classlabels_int64s=[0, 1], post_transform=transform, **nodes,
                 **votes("class", leaves, weigh(len(leaves))))
        nodes, leaves = stumps([0, 1, 2])
        case(f"tree_classifier_three_{transform.lower()}", ML, "TreeEnsembleClassifier", [x],
             [T.STRING, T.FLOAT], classlabels_strings=["a", "b", "c"], post_transform=transform,
             base_values=[0.1, 0.2, 0.3], **nodes, **votes("class", leaves, f32(len(leaves)).tolist()))


def byte_convolutions():
    one = lambda value: np.array(value, np.float32)
    for name, dtype, x_shape, w_shape, kind in (
            ("plain", u8, (2, 3, 7, 5), (5, 3, 3, 3), dict(pads=[1, 0, 1, 2], strides=[2, 1])),
            ("grouped", i8, (1, 12, 6, 7), (8, 3, 3, 3), dict(group=4, dilations=[1, 2])),
            ("depthwise", u8, (1, 19, 8, 8), (19, 1, 3, 3), dict(group=19, auto_pad="SAME_UPPER")),
            ("line", u8, (1, 5, 17), (3, 5, 4), dict(strides=[2]))):
        zero = np.array(5, np.int8) if dtype is i8 else np.array(121, np.uint8)
        out = w_shape[0]
        scales = (np.abs(f32(out)) + 0.5) / 1000
        weight = RANDOM.integers(-60, 61, w_shape).astype(np.int8)
        bias = RANDOM.integers(-900, 900, out).astype(np.int32)
        case(f"qlinear_conv_{name}", "", "QLinearConv",
             [dtype(*x_shape), one(0.1), zero, weight, scales, np.zeros(out, np.int8), one(0.02), zero, bias],
             [T.INT8 if dtype is i8 else T.UINT8], **kind)
        case(f"conv_integer_{name}", "", "ConvInteger", [u8(*x_shape), u8(*w_shape), np.array(9, np.uint8), np.array(99, np.uint8)], [T.INT32], **kind)


def coded_weights():
    for name, bits, k, n, block, zeros in (("4", 4, 64, 5, 32, None), ("4_odd", 4, 37, 3, 16, "packed"),
                                           ("4_three_blocks", 4, 96, 7, 32, "packed"), ("8", 8, 64, 5, 32, None),
                                           ("8_odd", 8, 45, 3, 16, "packed"), ("4_floats", 4, 64, 5, 32, "floats")):
        blocks = -(-k // block)
        weight = u8(n, blocks, block * bits // 8)
        scales = np.abs(f32(n, blocks)) / 20
        given = {None: None, "packed": u8(n, -(-blocks * bits // 8)),
                 "floats": np.floor(np.abs(f32(n, blocks)) * 4).astype(np.float32)}[zeros]
        case(f"matmul_n_bits_{name}", MS, "MatMulNBits", [f32(2, 3, k), weight, scales, given], [T.FLOAT],
             K=k, N=n, bits=bits, block_size=block)
    case("matmul_n_bits_bias", MS, "MatMulNBits",
         [f32(3, 32), u8(4, 1, 16), np.abs(f32(4, 1)), None, None, f32(4)], [T.FLOAT],
         K=32, N=4, bits=4, block_size=32)


def two_bit_weights():
    """By NumPy: that runtime lacks them."""
    random = np.random.default_rng(3)
    for name, k, n, block, with_zeros in (("2", 64, 5, 32, False), ("2_zeros", 96, 5, 32, True), ("2_odd", 70, 3, 16, True)):
        blocks = -(-k // block)
        codes, scales = random.integers(0, 4, (n, blocks, block)), random.random((n, blocks)).astype(np.float32)
        zeros = random.integers(0, 4, (n, blocks)) if with_zeros else np.full((n, blocks), 2)
        x = random.standard_normal((2, k)).astype(np.float32)
        weight = ((codes - zeros[..., None]) * scales[..., None]).reshape(n, -1)[:, :k]
        pack = lambda rows: sum(np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[:, i::4] << 2 * i for i in range(4)).astype(np.uint8)
        inputs = [x, pack(codes.reshape(n, -1)).reshape(n, blocks, -1), scales] + [pack(zeros)] * with_zeros
        names = [f"x{i}" for i in range(len(inputs))]
        node = helper.make_node("MatMulNBits", names, ["y0"], domain=MS, K=k, N=n, bits=2, block_size=block)
        write(f"matmul_n_bits_{name}", [node], names, inputs, ["y0"], [T.FLOAT], wanted=[(x @ weight.T).astype(np.float32)])


def fused():
    x, w = f32(1, 3, 7, 6), f32(4, 3, 3, 3)
    for activation, parameters in (("Relu", {}), ("Tanh", {}), ("Sigmoid", {}),
                                   ("LeakyRelu", dict(activation_params=[0.3])),
                                   ("Clip", dict(activation_params=[-0.5, 1.5])),
                                   ("HardSigmoid", dict(activation_params=[0.3, 0.4]))):
        case(f"fused_conv_{activation.lower()}", MS, "FusedConv", [x, w, f32(4)], [T.FLOAT],
             activation=activation, pads=[1, 1, 1, 1], **parameters)
    case("fused_conv_sum", MS, "FusedConv", [x, w, f32(4), f32(1, 4, 5, 4)], [T.FLOAT], activation="Relu")
    case("fused_gemm", MS, "FusedGemm", [f32(3, 5), f32(4, 5), f32(4)], [T.FLOAT], transB=1, alpha=0.5,
         activation="LeakyRelu", activation_alpha=0.2)


def support_vectors():
    x = f32(11, 4)
    kinds = (("linear", {}), ("poly", dict(kernel_params=[0.5, 0.3, 3.0])), ("rbf", dict(kernel_params=[0.4, 0.0, 3.0])),
             ("sigmoid", dict(kernel_params=[0.3, 0.1, 3.0])))
    vectors = f32(7, 4)
    for kind, parameters in kinds:
        kernel = dict(kernel_type=kind.upper(), kernel_params=[0.0, 0.0, 0.0]) | parameters
        case(f"svm_regressor_{kind}", ML, "SVMRegressor", [x], [T.FLOAT], n_supports=7,
             support_vectors=vectors.ravel().tolist(), coefficients=f32(7).tolist(), rho=[0.25], **kernel)
        for classes in (2, 3):
            pairs = classes * (classes - 1) // 2
            shared = dict(support_vectors=vectors.ravel().tolist(), coefficients=f32((classes - 1) * 7).tolist(),
                          vectors_per_class=[4, 3] if classes == 2 else [2, 3, 2], rho=f32(pairs).tolist(), **kernel)
            case(f"svm_classifier_{kind}_{classes}", ML, "SVMClassifier", [x], [T.INT64, T.FLOAT],
                 classlabels_ints=[3, 1, 7][:classes], **shared)
            case(f"svm_classifier_{kind}_{classes}_likely", ML, "SVMClassifier", [x], [T.STRING, T.FLOAT],
                 classlabels_strings=["a", "b", "c"][:classes], prob_a=f32(pairs).tolist(),
                 prob_b=f32(pairs).tolist(), **shared)
    case("svm_regressor_one_class", ML, "SVMRegressor", [x], [T.FLOAT], n_supports=7, one_class=1, kernel_type="RBF",
         kernel_params=[0.4, 0.0, 3.0], support_vectors=vectors.ravel().tolist(), coefficients=f32(7).tolist(), rho=[0.1])
    case("svm_regressor_plane", ML, "SVMRegressor", [x], [T.FLOAT], n_supports=0, kernel_type="LINEAR",
         kernel_params=[0.0, 0.0, 0.0], coefficients=f32(4).tolist(), rho=[0.25])
    for classes in (2, 3):
        case(f"svm_classifier_planes_{classes}", ML, "SVMClassifier", [x], [T.INT64, T.FLOAT], kernel_type="LINEAR",
             kernel_params=[0.0, 0.0, 0.0], coefficients=f32(classes * 4).tolist(), rho=[0.2],
             classlabels_ints=[3, 1, 7][:classes], post_transform="LOGISTIC")
    case("svm_classifier_softmax", ML, "SVMClassifier", [x], [T.INT64, T.FLOAT], kernel_type="RBF",
         kernel_params=[0.4, 0.0, 3.0], support_vectors=vectors.ravel().tolist(), coefficients=f32(14).tolist(),
         vectors_per_class=[2, 3, 2], rho=f32(3).tolist(), classlabels_ints=[3, 1, 7], post_transform="SOFTMAX")


def old_and_rare():
    x = f32(2, 3, 9, 8)
    rois = np.array([[0, 0, 0, 7, 6], [1, 2, 1, 5, 5], [1, 3, 3, 3, 3], [0, 4, 2, 9, 12]], np.float32)
    case("max_roi_pool", "", "MaxRoiPool", [x, rois], [T.FLOAT], pooled_shape=[2, 3], spatial_scale=0.75)
    make = helper.make_node
    for mode in ("nearest", "linear"):
        write(f"upsample_7_{mode}", [make("Upsample", ["x0"], ["y0"], mode=mode, scales=[1.0, 1.0, 2.0, 1.5])],
              ["x0"], [x], ["y0"], [T.FLOAT], opset=7)
        scales = np.array([1, 1, 0.5, 2], np.float32)
        write(f"resize_10_{mode}", [make("Resize", ["x0", "x1"], ["y0"], mode=mode)], ["x0", "x1"], [x, scales],
              ["y0"], [T.FLOAT], opset=10)
    for new_axis in (0, 1):
        a, b = f32(2, 3), f32(2, 3)
        write(f"concat_from_sequence_{new_axis}",
              [make("SequenceConstruct", ["x0", "x1"], ["s"]),
               make("ConcatFromSequence", ["s"], ["y0"], axis=1, new_axis=new_axis)],
              ["x0", "x1"], [a, b], ["y0"], [T.FLOAT])
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [make("Add", ["state", "element"], ["sum"]), make("Mul", ["sum", "sum"], ["square"])], "body",
        [info("state", T.FLOAT, [2]), info("element", T.FLOAT, [2])],
        [info("sum", T.FLOAT, [2]), info("square", T.FLOAT, [2])])
    write("scan_8", [make("Scan", ["", "x0", "x1"], ["y0", "y1"], body=body, num_scan_inputs=1)], ["x0", "x1"],
          [f32(3, 2), f32(3, 4, 2)], ["y0", "y1"], [T.FLOAT, T.FLOAT], opset=8)


quantised()
normalisation()
activations()
attention()
tables()
trees()
byte_convolutions()
coded_weights()
fused()
support_vectors()
old_and_rare()
two_bit_weights()
