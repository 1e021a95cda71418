#include "core/format.h"
#include "onnx/import/import.h"
#include "onnx/import/ml/scores.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

Tensor row(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

Tensor row(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

Tensor row(const std::vector<std::string>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

// ---- Rows of features ----

KernelPtr normalizer(const Node& node, const ImportContext&) {
  const std::string name = node.attributes.get("norm", "MAX");
  if (name != "MAX" && name != "L1" && name != "L2")
    fail(ErrorCode::corrupt_file, "norm is \"{}\"; known: MAX, L1, L2", name);
  const auto norm = name == "MAX"  ? ops::RowNorm::max
                    : name == "L1" ? ops::RowNorm::l1
                                   : ops::RowNorm::l2;
  return make_kernel([norm](const Inputs& in) { return ops::normalize_rows(in[0], norm); });
}

KernelPtr scaler(const Node& node, const ImportContext&) {
  const Tensor offset = row(list<float>(node, "offset"));
  const Tensor scale = row(list<float>(node, "scale"));
  return make_kernel([=](const Inputs& in) { return ops::scale_features(in[0], offset, scale); });
}

KernelPtr imputer(const Node& node, const ImportContext&) {
  const auto floats = list<float>(node, "imputed_value_floats");
  const auto integers = list<std::int64_t>(node, "imputed_value_int64s");
  if (floats.empty() == integers.empty())
    fail(ErrorCode::corrupt_file, "expected values of one kind: {} floats and {} integers",
         floats.size(), integers.size());
  const Tensor values = floats.empty() ? row(integers) : row(floats);
  const Tensor missing =
      floats.empty() ? Tensor::scalar(node.attributes.get("replaced_value_int64", std::int64_t{0}))
                     : Tensor::scalar(node.attributes.get("replaced_value_float", 0.f));
  return make_kernel([=](const Inputs& in) {
    const DType dtype = in[0].dtype();
    const bool integer = dtype == DType::i64 || dtype == DType::i32;
    require(integer == (values.dtype() == DType::i64), "values {} do not fit x {}", values.dtype(),
            dtype);
    const DType wide = dtype == DType::i32 ? DType::i64 : dtype;
    return ops::impute(in[0].cast(wide), missing.cast(wide), values.cast(wide)).cast(dtype);
  });
}

KernelPtr binarizer(const Node& node, const ImportContext&) {
  const float threshold = node.attributes.get("threshold", 0.f);
  return make_kernel([threshold](const Inputs& in) { return ops::binarize(in[0], threshold); });
}

KernelPtr array_feature_extractor(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    const Tensor& x = in[0];
    require(x.rank() > 0, "expected one axis or more, got a scalar");
    const Tensor picked = ops::gather(x, in[1].reshape({in[1].numel()}), -1);
    return x.rank() == 1 ? picked.reshape({1, picked.numel()}) : picked;
  });
}

/// `columns` of the rows of x: cut, or with zeros behind.
Tensor with_columns(const Tensor& x, std::int64_t columns) {
  const Tensor matrix = x.rank() == 1 ? x.reshape({x.numel(), 1}) : x;
  require(matrix.rank() == 2, "expected rank 1 or 2, got {}", x.shape());
  if (columns <= matrix.dim(1)) return matrix.slice(1, 0, columns).cast(DType::f32);
  const Tensor parts[] = {matrix.cast(DType::f32),
                          Tensor::zeros({matrix.dim(0), columns - matrix.dim(1)})};
  return ops::concat(parts, 1);
}

KernelPtr feature_vectorizer(const Node& node, const ImportContext&) {
  const auto dimensions = node.attributes.ints("inputdimensions");
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  for (const std::int64_t dimension : dimensions) {
    if (dimension < 0 || dimension > kMost)
      fail(ErrorCode::corrupt_file, "inputdimensions has {}", dimension);
  }
  return make_kernel([dimensions](const Inputs& in) {
    require(in.size() == dimensions.size(), "{} inputs and {} inputdimensions", in.size(),
            dimensions.size());
    std::vector<Tensor> parts;
    for (std::size_t i = 0; i < in.size(); ++i) parts.push_back(with_columns(in[i], dimensions[i]));
    return ops::concat(parts, 1);
  });
}

// ---- Categories ----

/// Values by keys; what has no key gets the last value.
class Lookup {
 public:
  Lookup(Tensor keys, const Tensor& values, const Tensor& fallback) : keys_(std::move(keys)) {
    if (keys_.numel() != values.numel() || fallback.numel() != 1)
      fail(ErrorCode::corrupt_file, "{} keys, {} values and {} defaults", keys_.numel(),
           values.numel(), fallback.numel());
    const Tensor parts[] = {values.reshape({values.numel()}), fallback.reshape({1})};
    values_ = ops::concat(parts, 0);
    keys_ = keys_.reshape({keys_.numel()});
  }

  Tensor operator()(const Tensor& x) const {
    return ops::gather(values_, ops::find_positions(x, keys_));
  }

 private:
  Tensor keys_, values_;
};

/// 0, 1, ... n - 1.
Tensor count_to(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) numbers[static_cast<std::size_t>(i)] = i;
  return row(numbers);
}

/// Strings to numbers and numbers to strings, as the input asks.
KernelPtr two_way(const std::vector<std::string>& names, const Tensor& numbers,
                  std::int64_t default_number, const std::string& default_name) {
  const Lookup to_number(row(names), numbers, Tensor::scalar(default_number));
  const Lookup to_name(numbers, row(names), Tensor::scalar(default_name));
  return make_kernel([=](const Inputs& in) {
    return in[0].dtype() == DType::string ? to_number(in[0]) : to_name(in[0].cast(DType::i64));
  });
}

KernelPtr category_mapper(const Node& node, const ImportContext&) {
  return two_way(list<std::string>(node, "cats_strings"),
                 row(list<std::int64_t>(node, "cats_int64s")),
                 node.attributes.get("default_int64", std::int64_t{-1}),
                 node.attributes.get("default_string", "_Unused"));
}

KernelPtr label_encoder_1(const Node& node, const ImportContext&) {
  const auto names = list<std::string>(node, "classes_strings");
  return two_way(names, count_to(static_cast<std::int64_t>(names.size())),
                 node.attributes.get("default_int64", std::int64_t{-1}),
                 node.attributes.get("default_string", "_Unused"));
}

/// The list "keys_..." or "values_..." that a LabelEncoder has.
Tensor encoder_list(const Node& node, const std::string& prefix) {
  if (const auto tensor = node.attributes.find<Tensor>(prefix + "_tensor")) return *tensor;
  if (node.attributes.contains(prefix + "_strings"))
    return row(list<std::string>(node, prefix + "_strings"));
  if (node.attributes.contains(prefix + "_int64s"))
    return row(list<std::int64_t>(node, prefix + "_int64s"));
  if (node.attributes.contains(prefix + "_floats"))
    return row(list<float>(node, prefix + "_floats"));
  fail(ErrorCode::corrupt_file,
       "attribute {0}_strings, {0}_int64s, {0}_floats or {0}_tensor is missing", prefix);
}

Tensor encoder_default(const Node& node, DType dtype) {
  if (const auto tensor = node.attributes.find<Tensor>("default_tensor")) return *tensor;
  if (dtype == DType::string)
    return Tensor::scalar(node.attributes.get("default_string", "_Unused"));
  if (is_floating(dtype))
    return Tensor::scalar(node.attributes.get("default_float", -0.f)).cast(dtype);
  return Tensor::scalar(node.attributes.get("default_int64", std::int64_t{-1})).cast(dtype);
}

KernelPtr label_encoder(const Node& node, const ImportContext&) {
  const Tensor values = encoder_list(node, "values");
  const Tensor fallback = encoder_default(node, values.dtype());
  if (fallback.dtype() != values.dtype())
    fail(ErrorCode::corrupt_file, "values have dtype {}, the default {}", values.dtype(),
         fallback.dtype());
  const Lookup lookup(encoder_list(node, "keys"), values, fallback);
  return make_kernel([lookup](const Inputs& in) { return lookup(in[0]); });
}

KernelPtr one_hot_encoder(const Node& node, const ImportContext&) {
  const auto names = list<std::string>(node, "cats_strings");
  const auto numbers = list<std::int64_t>(node, "cats_int64s");
  const bool allows_unknown = node.attributes.get("zeros", std::int64_t{1}) != 0;
  if (names.empty() == numbers.empty())
    fail(ErrorCode::corrupt_file, "expected categories of one kind: {} strings and {} integers",
         names.size(), numbers.size());
  const Tensor keys = names.empty() ? row(numbers) : row(names);
  return make_kernel([=](const Inputs& in) {
    const Tensor x = in[0].dtype() == DType::string ? in[0] : in[0].cast(DType::i64);
    const Tensor positions = ops::find_positions(x, keys);
    Shape shape = x.shape();
    shape.push_back(keys.numel());
    Tensor y = Tensor::zeros(shape);
    float* hot = y.mutable_data<float>().data();
    for (const std::int64_t position : positions.data<std::int64_t>()) {
      require(allows_unknown || position < keys.numel(), "an element is not one of the categories");
      if (position < keys.numel()) hot[position] = 1.f;
      hot += keys.numel();
    }
    return y;
  });
}

KernelPtr dict_vectorizer(const Node& node, const ImportContext&) {
  const auto names = list<std::string>(node, "string_vocabulary");
  const auto numbers = list<std::int64_t>(node, "int64_vocabulary");
  if (names.empty() == numbers.empty())
    fail(ErrorCode::corrupt_file, "expected a vocabulary of one kind: {} strings and {} integers",
         names.size(), numbers.size());
  const Tensor vocabulary = names.empty() ? row(numbers) : row(names);
  return make_kernel([vocabulary](const Inputs& in) {
    const Value& map = in.value(0);
    const Tensor missing = Tensor::zeros({1}, map.values().dtype());
    const Tensor parts[] = {map.values(), missing};
    const Tensor positions = ops::find_positions(vocabulary, map.keys());
    return ops::gather(ops::concat(parts, 0), positions).reshape({1, vocabulary.numel()});
  });
}

DType cast_map_dtype(const Node& node) {
  const std::string name = node.attributes.get("cast_to", "TO_FLOAT");
  if (name == "TO_FLOAT") return DType::f32;
  if (name == "TO_INT64") return DType::i64;
  if (name == "TO_STRING") return DType::string;
  fail(ErrorCode::corrupt_file, "cast_to is \"{}\"; known: TO_FLOAT, TO_INT64, TO_STRING", name);
}

/// Values of a map in the order of its keys, or at the places that its keys name.
KernelPtr cast_map(const Node& node, const ImportContext&) {
  const DType dtype = cast_map_dtype(node);
  const std::string form = node.attributes.get("map_form", "DENSE");
  if (form != "DENSE" && form != "SPARSE")
    fail(ErrorCode::corrupt_file, "map_form is \"{}\"; known: DENSE, SPARSE", form);
  const std::int64_t size = node.attributes.get("max_map", std::int64_t{1});
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  if (form == "SPARSE" && (size < 0 || size > kMost))
    fail(ErrorCode::corrupt_file, "max_map is {}", size);
  const Tensor places = form == "SPARSE" ? count_to(size) : Tensor();
  return make_kernel([=](const Inputs& in) {
    const Value& map = in.value(0);
    require(map.keys().dtype() == DType::i64, "keys have dtype {}, expected i64",
            map.keys().dtype());
    const Tensor values = ops::cast(map.values(), dtype);
    if (form == "DENSE") {
      const auto order = ops::topk(map.keys(), map.keys().numel(), {.largest = false}).indices;
      return ops::gather(values, order).unsqueeze(0);
    }
    const Tensor parts[] = {values, Tensor::zeros({1}, dtype)};
    return ops::gather(ops::concat(parts, 0), ops::find_positions(places, map.keys())).unsqueeze(0);
  });
}

KernelPtr zip_map(const Node& node, const ImportContext&) {
  const auto names = list<std::string>(node, "classlabels_strings");
  const auto numbers = list<std::int64_t>(node, "classlabels_int64s");
  if (names.empty() == numbers.empty())
    fail(ErrorCode::corrupt_file, "expected labels of one kind: {} strings and {} integers",
         names.size(), numbers.size());
  const Tensor labels = names.empty() ? row(numbers) : row(names);
  return make_kernel([labels](const Inputs& in) {
    const Tensor x = in[0].rank() == 1 ? in[0].reshape({1, in[0].numel()}) : in[0];
    require(x.rank() == 2 && x.dim(1) == labels.numel(), "{} labels do not fit {}", labels.numel(),
            x.shape());
    std::vector<Value> maps;
    for (std::int64_t i = 0; i < x.dim(0); ++i)
      maps.push_back(Value::map(labels, x.slice(0, i, i + 1).reshape({labels.numel()})));
    return Value::sequence(std::move(maps));
  });
}

// ---- Linear models ----

/// x · coefficientsᵀ + intercepts: [rows, features] -> [rows, targets].
class LinearScores {
 public:
  LinearScores(const Node& node, std::int64_t targets) {
    const auto coefficients = node.attributes.get<std::vector<float>>("coefficients");
    const auto intercepts = list<float>(node, "intercepts");
    const auto count = static_cast<std::int64_t>(coefficients.size());
    if (targets <= 0 || count % targets != 0)
      fail(ErrorCode::corrupt_file, "{} coefficients do not divide by {} targets", count, targets);
    weights_ = Tensor::from(coefficients, {targets, count / targets}).transpose(0, 1);
    if (intercepts.empty()) return;
    if (static_cast<std::int64_t>(intercepts.size()) != targets)
      fail(ErrorCode::corrupt_file, "{} intercepts for {} targets", intercepts.size(), targets);
    intercepts_ = row(intercepts);
  }

  Tensor operator()(const Tensor& x) const {
    const Tensor rows = x.rank() == 1 ? x.reshape({1, x.numel()}) : x;
    const Tensor y = ops::matmul(rows.cast(DType::f32), weights_);
    return intercepts_ ? ops::add(y, *intercepts_) : y;
  }

 private:
  Tensor weights_;
  std::optional<Tensor> intercepts_;
};

KernelPtr linear_regressor(const Node& node, const ImportContext&) {
  const LinearScores linear(node, node.attributes.get("targets", std::int64_t{1}));
  const ops::ScoreTransform transform = score_transform(node);
  return make_kernel(
      [=](const Inputs& in) { return ops::transform_scores(linear(in[0]), transform); });
}

KernelPtr linear_classifier(const Node& node, const ImportContext&) {
  const auto intercepts = list<float>(node, "intercepts");
  const ClassLabels labels(node, "classlabels_ints");
  const auto targets =
      intercepts.empty() ? labels.count() : static_cast<std::int64_t>(intercepts.size());
  const LinearScores linear(node, targets);
  const ops::ScoreTransform transform = score_transform(node);
  return make_kernel([=](const Inputs& in) {
    const Tensor scores = linear(in[0]);
    if (targets == 1 && labels.count() == 2) {  // as ONNX Runtime does: without the transform
      const Tensor both[] = {ops::sub(Tensor::full({}, 1), scores), scores};
      return std::vector<Tensor>{labels.of_sign(scores, 0.f), ops::concat(both, 1)};
    }
    const Tensor chosen = scores.dim(1) == 1 ? labels.of_sign(scores, 0.f) : labels.of_best(scores);
    return std::vector<Tensor>{chosen, ops::transform_scores(scores, transform)};
  });
}

// clang-format off
constexpr Operator kMlOperators[] = {
    {.op_type = "ArrayFeatureExtractor", .domain = kMl, .inputs = {2, 2},
     .import = array_feature_extractor, .mapping = {.shapes = kSame}},
    {.op_type = "Binarizer", .domain = kMl, .inputs = {1, 1}, .import = binarizer,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "CastMap", .domain = kMl, .inputs = {1, 1}, .import = cast_map},
    {.op_type = "CategoryMapper", .domain = kMl, .inputs = {1, 1}, .import = category_mapper,
     .mapping = {.shapes = kSame}},
    {.op_type = "DictVectorizer", .domain = kMl, .inputs = {1, 1}, .import = dict_vectorizer},
    {.op_type = "FeatureVectorizer", .domain = kMl, .inputs = {1, kAnyNumber},
     .import = feature_vectorizer, .mapping = {.shapes = kSame}},
    {.op_type = "Imputer", .domain = kMl, .inputs = {1, 1}, .import = imputer,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "LabelEncoder", .domain = kMl, .inputs = {1, 1}, .import = label_encoder_1,
     .mapping = {.shapes = kSame}},
    {.op_type = "LabelEncoder", .since = 2, .domain = kMl, .inputs = {1, 1},
     .import = label_encoder, .mapping = {.shapes = kSame}},
    {.op_type = "LinearClassifier", .domain = kMl, .inputs = {1, 1}, .import = linear_classifier,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "LinearRegressor", .domain = kMl, .inputs = {1, 1}, .import = linear_regressor,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "Normalizer", .domain = kMl, .inputs = {1, 1}, .import = normalizer,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "OneHotEncoder", .domain = kMl, .inputs = {1, 1}, .import = one_hot_encoder,
     .mapping = {.shapes = kSame}},
    {.op_type = "Scaler", .domain = kMl, .inputs = {1, 1}, .import = scaler,
     .mapping = {.shapes = kSame, .rows = follow_each_image}},
    {.op_type = "ZipMap", .domain = kMl, .inputs = {1, 1}, .import = zip_map},
};
// clang-format on

}  // namespace

OperatorTable ml_operators() { return kMlOperators; }

}  // namespace quern::onnx
