#include "onnx/import/input_counts.h"

#include <limits>

namespace quern::onnx {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

/// From opset `since` on; opsets of an operator ascend. Printed by
/// tests/data/input_counts.py from the schemas of onnx 1.20.
struct InputCount {
  std::string_view domain, op_type;
  std::int64_t since;
  std::size_t most;
};

// clang-format off
constexpr InputCount kInputCounts[] = {
    {"", "Abs", 1, 1}, {"", "Acos", 7, 1}, {"", "Acosh", 9, 1}, {"", "Add", 1, 2},
    {"", "AffineGrid", 20, 2}, {"", "And", 1, 2}, {"", "ArgMax", 1, 1}, {"", "ArgMin", 1, 1},
    {"", "Asin", 7, 1}, {"", "Asinh", 9, 1}, {"", "Atan", 7, 1}, {"", "Atanh", 9, 1},
    {"", "Attention", 23, 6}, {"", "Attention", 24, 7}, {"", "AveragePool", 1, 1},
    {"", "BatchNormalization", 1, 5}, {"", "Bernoulli", 15, 1}, {"", "BitShift", 11, 2},
    {"", "BitwiseAnd", 18, 2}, {"", "BitwiseNot", 18, 1}, {"", "BitwiseOr", 18, 2},
    {"", "BitwiseXor", 18, 2}, {"", "BlackmanWindow", 17, 1}, {"", "Cast", 1, 1},
    {"", "CastLike", 15, 2}, {"", "Ceil", 1, 1}, {"", "Celu", 12, 1}, {"", "CenterCropPad", 18, 2},
    {"", "Clip", 1, 1}, {"", "Clip", 11, 3}, {"", "Col2Im", 18, 3}, {"", "Compress", 9, 2},
    {"", "ConcatFromSequence", 11, 1}, {"", "Constant", 1, 0}, {"", "ConstantOfShape", 9, 1},
    {"", "Conv", 1, 3}, {"", "ConvInteger", 10, 4}, {"", "ConvTranspose", 1, 3}, {"", "Cos", 7, 1},
    {"", "Cosh", 9, 1}, {"", "CumSum", 11, 2}, {"", "DFT", 17, 2}, {"", "DFT", 20, 3},
    {"", "DeformConv", 19, 5}, {"", "DepthToSpace", 1, 1}, {"", "DequantizeLinear", 10, 3},
    {"", "Det", 11, 1}, {"", "Div", 1, 2}, {"", "Dropout", 1, 1}, {"", "Dropout", 12, 3},
    {"", "DynamicQuantizeLinear", 11, 1}, {"", "Elu", 1, 1}, {"", "Equal", 1, 2}, {"", "Erf", 9, 1},
    {"", "Exp", 1, 1}, {"", "Expand", 8, 2}, {"", "EyeLike", 9, 1}, {"", "Flatten", 1, 1},
    {"", "Floor", 1, 1}, {"", "GRU", 1, 6}, {"", "Gather", 1, 2}, {"", "GatherElements", 11, 2},
    {"", "GatherND", 11, 2}, {"", "Gelu", 20, 1}, {"", "Gemm", 1, 3},
    {"", "GlobalAveragePool", 1, 1}, {"", "GlobalLpPool", 1, 1}, {"", "GlobalMaxPool", 1, 1},
    {"", "Greater", 1, 2}, {"", "GreaterOrEqual", 12, 2}, {"", "GridSample", 16, 2},
    {"", "GroupNormalization", 18, 3}, {"", "HammingWindow", 17, 1}, {"", "HannWindow", 17, 1},
    {"", "HardSigmoid", 1, 1}, {"", "HardSwish", 14, 1}, {"", "Hardmax", 1, 1},
    {"", "Identity", 1, 1}, {"", "If", 1, 1}, {"", "ImageDecoder", 20, 1},
    {"", "InstanceNormalization", 1, 3}, {"", "IsInf", 10, 1}, {"", "IsNaN", 9, 1},
    {"", "LRN", 1, 1}, {"", "LSTM", 1, 8}, {"", "LayerNormalization", 17, 3},
    {"", "LeakyRelu", 1, 1}, {"", "Less", 1, 2}, {"", "LessOrEqual", 12, 2}, {"", "Log", 1, 1},
    {"", "LogSoftmax", 1, 1}, {"", "LpNormalization", 1, 1}, {"", "LpPool", 1, 1},
    {"", "MatMul", 1, 2}, {"", "MatMulInteger", 10, 4}, {"", "MaxPool", 1, 1},
    {"", "MaxRoiPool", 1, 2}, {"", "MaxUnpool", 9, 3}, {"", "MeanVarianceNormalization", 9, 1},
    {"", "MelWeightMatrix", 17, 5}, {"", "Mish", 18, 1}, {"", "Mod", 10, 2}, {"", "Mul", 1, 2},
    {"", "Multinomial", 7, 1}, {"", "Neg", 1, 1}, {"", "NegativeLogLikelihoodLoss", 12, 3},
    {"", "NonMaxSuppression", 10, 5}, {"", "NonZero", 9, 1}, {"", "Not", 1, 1},
    {"", "OneHot", 9, 3}, {"", "Optional", 15, 1}, {"", "OptionalGetElement", 15, 1},
    {"", "OptionalHasElement", 15, 1}, {"", "Or", 1, 2}, {"", "PRelu", 1, 2}, {"", "Pad", 1, 1},
    {"", "Pad", 11, 3}, {"", "Pad", 18, 4}, {"", "Pow", 1, 2}, {"", "QLinearConv", 10, 9},
    {"", "QLinearMatMul", 10, 8}, {"", "QuantizeLinear", 10, 3}, {"", "RMSNormalization", 23, 2},
    {"", "RNN", 1, 6}, {"", "RandomNormal", 1, 0}, {"", "RandomNormalLike", 1, 1},
    {"", "RandomUniform", 1, 0}, {"", "RandomUniformLike", 1, 1}, {"", "Range", 11, 3},
    {"", "Reciprocal", 1, 1}, {"", "ReduceL1", 1, 1}, {"", "ReduceL1", 18, 2},
    {"", "ReduceL2", 1, 1}, {"", "ReduceL2", 18, 2}, {"", "ReduceLogSum", 1, 1},
    {"", "ReduceLogSum", 18, 2}, {"", "ReduceLogSumExp", 1, 1}, {"", "ReduceLogSumExp", 18, 2},
    {"", "ReduceMax", 1, 1}, {"", "ReduceMax", 18, 2}, {"", "ReduceMean", 1, 1},
    {"", "ReduceMean", 18, 2}, {"", "ReduceMin", 1, 1}, {"", "ReduceMin", 18, 2},
    {"", "ReduceProd", 1, 1}, {"", "ReduceProd", 18, 2}, {"", "ReduceSum", 1, 1},
    {"", "ReduceSum", 13, 2}, {"", "ReduceSumSquare", 1, 1}, {"", "ReduceSumSquare", 18, 2},
    {"", "RegexFullMatch", 20, 1}, {"", "Relu", 1, 1}, {"", "Reshape", 1, 1}, {"", "Reshape", 5, 2},
    {"", "Resize", 10, 2}, {"", "Resize", 11, 4}, {"", "ReverseSequence", 10, 2},
    {"", "RoiAlign", 10, 3}, {"", "RotaryEmbedding", 23, 4}, {"", "Round", 11, 1},
    {"", "STFT", 17, 4}, {"", "Scatter", 9, 3}, {"", "ScatterElements", 11, 3},
    {"", "ScatterND", 11, 3}, {"", "Selu", 1, 1}, {"", "SequenceAt", 11, 2},
    {"", "SequenceEmpty", 11, 0}, {"", "SequenceErase", 11, 2}, {"", "SequenceInsert", 11, 3},
    {"", "SequenceLength", 11, 1}, {"", "Shape", 1, 1}, {"", "Shrink", 9, 1}, {"", "Sigmoid", 1, 1},
    {"", "Sign", 9, 1}, {"", "Sin", 7, 1}, {"", "Sinh", 9, 1}, {"", "Size", 1, 1},
    {"", "Slice", 1, 1}, {"", "Slice", 10, 5}, {"", "Softmax", 1, 1},
    {"", "SoftmaxCrossEntropyLoss", 12, 3}, {"", "Softplus", 1, 1}, {"", "Softsign", 1, 1},
    {"", "SpaceToDepth", 1, 1}, {"", "Split", 1, 2}, {"", "Split", 2, 1}, {"", "Split", 13, 2},
    {"", "SplitToSequence", 11, 2}, {"", "Sqrt", 1, 1}, {"", "Squeeze", 1, 1},
    {"", "Squeeze", 13, 2}, {"", "StringConcat", 20, 2}, {"", "StringNormalizer", 10, 1},
    {"", "StringSplit", 20, 1}, {"", "Sub", 1, 2}, {"", "Swish", 24, 1}, {"", "Tan", 7, 1},
    {"", "Tanh", 1, 1}, {"", "TensorScatter", 24, 3}, {"", "TfIdfVectorizer", 9, 1},
    {"", "ThresholdedRelu", 10, 1}, {"", "Tile", 1, 3}, {"", "Tile", 6, 2}, {"", "TopK", 1, 1},
    {"", "TopK", 10, 2}, {"", "Transpose", 1, 1}, {"", "Trilu", 14, 2}, {"", "Unique", 11, 1},
    {"", "Unsqueeze", 1, 1}, {"", "Unsqueeze", 13, 2}, {"", "Upsample", 1, 1},
    {"", "Upsample", 9, 2}, {"", "Where", 9, 3}, {"", "Xor", 1, 2},
    {"ai.onnx.ml", "ArrayFeatureExtractor", 1, 2}, {"ai.onnx.ml", "Binarizer", 1, 1},
    {"ai.onnx.ml", "CastMap", 1, 1}, {"ai.onnx.ml", "CategoryMapper", 1, 1},
    {"ai.onnx.ml", "DictVectorizer", 1, 1}, {"ai.onnx.ml", "Imputer", 1, 1},
    {"ai.onnx.ml", "LabelEncoder", 1, 1}, {"ai.onnx.ml", "LinearClassifier", 1, 1},
    {"ai.onnx.ml", "LinearRegressor", 1, 1}, {"ai.onnx.ml", "Normalizer", 1, 1},
    {"ai.onnx.ml", "OneHotEncoder", 1, 1}, {"ai.onnx.ml", "SVMClassifier", 1, 1},
    {"ai.onnx.ml", "SVMRegressor", 1, 1}, {"ai.onnx.ml", "Scaler", 1, 1},
    {"ai.onnx.ml", "TreeEnsemble", 5, 1}, {"ai.onnx.ml", "TreeEnsembleClassifier", 1, 1},
    {"ai.onnx.ml", "TreeEnsembleRegressor", 1, 1}, {"ai.onnx.ml", "ZipMap", 1, 1},
};
// clang-format on

}  // namespace

std::size_t most_inputs(std::string_view domain, std::string_view op_type, std::int64_t opset) {
  std::size_t most = kUnlimited;
  for (const InputCount& row : kInputCounts) {
    if (row.op_type == op_type && row.domain == domain && row.since <= opset) most = row.most;
  }
  return most;
}

}  // namespace quern::onnx
