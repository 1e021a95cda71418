#include "core/format.h"
#include "onnx/import/import.h"
#include "ops/ngram_table.h"
#include "ops/text_pattern.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

KernelPtr string_concat(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::string_concat(in[0], in[1]); });
}

KernelPtr string_split(const Node& node, const ImportContext&) {
  const ops::StringSplitOptions options{
      .delimiter = node.attributes.get("delimiter", ""),
      .max_splits = node.attributes.get("maxsplit", std::int64_t{-1})};
  return make_kernel([options](const Inputs& in) {
    ops::StringPieces split = ops::string_split(in[0], options);
    return std::vector<Tensor>{std::move(split.pieces), std::move(split.counts)};
  });
}

KernelPtr regex_full_match(const Node& node, const ImportContext&) {
  const ops::TextPattern pattern(node.attributes.get<std::string>("pattern"));
  return make_kernel([pattern](const Inputs& in) { return pattern.match(in[0]); });
}

std::optional<ops::LetterCase> letter_case(const Node& node) {
  const std::string action = node.attributes.get("case_change_action", "NONE");
  if (action == "NONE") return std::nullopt;
  if (action == "LOWER") return ops::LetterCase::lower;
  if (action == "UPPER") return ops::LetterCase::upper;
  fail(ErrorCode::corrupt_file, "case_change_action \"{}\"; known: LOWER, UPPER, NONE", action);
}

/// Languages whose letters change their case by rules of their own.
void refuse_own_cases(const Node& node) {
  const std::string locale = node.attributes.get("locale", "");
  for (const std::string_view language : {"tr", "az", "lt"}) {
    if (locale.starts_with(language))
      fail(ErrorCode::unsupported, "locale \"{}\": its rules of case are not known", locale);
  }
}

KernelPtr string_normalizer(const Node& node, const ImportContext&) {
  refuse_own_cases(node);
  const auto words = node.attributes.find<std::vector<std::string>>("stopwords");
  const bool ignore_case = node.attributes.get("is_case_sensitive", std::int64_t{0}) == 0;
  return make_kernel([=, to = letter_case(node)](const Inputs& in) {
    const Tensor& x = in[0];
    const bool is_row = x.rank() == 2 && x.dim(0) == 1;
    require(x.rank() == 1 || is_row, "expected [n] or [1, n], got {}", x.shape());
    Tensor kept = x.reshape({x.numel()});
    if (words) kept = ops::remove_words(kept, *words, ignore_case);
    if (kept.numel() == 0) kept = Tensor::from(std::vector<std::string>{""}, {1});
    if (to) kept = ops::change_case(kept, *to);
    return is_row ? kept.reshape({1, kept.numel()}) : kept;
  });
}

template <class T>
Tensor row(const std::vector<T>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

ops::NgramVocabulary ngram_vocabulary(const Node& node) {
  const auto names = node.attributes.find<std::vector<std::string>>("pool_strings");
  const auto numbers = node.attributes.find<std::vector<std::int64_t>>("pool_int64s");
  if (names.has_value() == numbers.has_value())
    fail(ErrorCode::corrupt_file, "expected one of pool_strings and pool_int64s");
  return {names ? row(*names) : row(*numbers), node.attributes.ints("ngram_counts"),
          node.attributes.ints("ngram_indexes")};
}

KernelPtr tf_idf_vectorizer(const Node& node, const ImportContext&) {
  const std::string mode = node.attributes.get<std::string>("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    fail(ErrorCode::corrupt_file, "mode \"{}\"; known: TF, IDF, TFIDF", mode);
  const ops::NgramVocabulary vocabulary = ngram_vocabulary(node);
  const ops::NgramTable table(vocabulary,
                              {.min_length = node.attributes.get<std::int64_t>("min_gram_length"),
                               .max_length = node.attributes.get<std::int64_t>("max_gram_length"),
                               .max_skips = node.attributes.get<std::int64_t>("max_skip_count")});
  const auto weights = node.attributes.find<std::vector<float>>("weights");
  std::optional<Tensor> weight_of_place;
  if (weights && mode != "TF") {
    if (weights->size() != vocabulary.places.size())
      fail(ErrorCode::corrupt_file, "{} weights for {} n-grams", weights->size(),
           vocabulary.places.size());
    weight_of_place = Tensor::zeros({table.size()});
    for (std::size_t i = 0; i < weights->size(); ++i)
      weight_of_place->mutable_data<float>()[static_cast<std::size_t>(vocabulary.places[i])] =
          (*weights)[i];
  }
  return make_kernel([table, weight_of_place, presence = mode == "IDF"](const Inputs& in) {
    Tensor y = table.count(in[0]);
    if (presence) y = ops::minimum(y, Tensor::scalar(1.f));
    return weight_of_place ? ops::mul(y, *weight_of_place) : y;
  });
}

// clang-format off
constexpr Operator kTextOperators[] = {
    {.op_type = "RegexFullMatch", .since = 20, .inputs = {1, 1}, .import = regex_full_match,
     .mapping = {.shapes = kSame}},
    {.op_type = "StringConcat", .since = 20, .inputs = {2, 2}, .import = string_concat,
     .mapping = {.shapes = kSame}},
    {.op_type = "StringNormalizer", .since = 10, .inputs = {1, 1}, .import = string_normalizer},
    {.op_type = "StringSplit", .since = 20, .inputs = {1, 1}, .import = string_split},
    {.op_type = "TfIdfVectorizer", .since = 9, .inputs = {1, 1}, .import = tf_idf_vectorizer,
     .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable text_operators() { return kTextOperators; }

}  // namespace quern::onnx
