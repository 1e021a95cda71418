#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/strided.h"
#include "core/visit.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

/// The names of a tensor's axes: letters, and -n for the n-th last axis of an ellipsis.
using Labels = std::vector<int>;

bool has(const Labels& labels, int label) {
  return std::ranges::find(labels, label) != labels.end();
}

struct Term {
  Tensor x;
  Labels labels;

  int axis(int label) const {
    return static_cast<int>(std::ranges::find(labels, label) - labels.begin());
  }
};

/// Sizes of all labels; a size of 1 broadcasts.
class Sizes {
 public:
  void add(const Term& term) {
    for (int axis = 0; axis < term.x.rank(); ++axis) {
      const std::int64_t size = term.x.shape()[axis];
      std::int64_t& known =
          sizes_.try_emplace(term.labels[static_cast<std::size_t>(axis)], 1).first->second;
      require(size == known || size == 1 || known == 1, "einsum: sizes {} and {} of one label",
              known, size);
      if (size != 1) known = size;
    }
  }
  std::int64_t operator[](int label) const { return sizes_.at(label); }
  bool contains(int label) const { return sizes_.contains(label); }

 private:
  std::map<int, std::int64_t> sizes_;
};

/// The labels that `text` gives, with `ellipsis` axes for "...".
Labels parse_labels(std::string_view text, int ellipsis) {
  Labels labels;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 3) == "...") {
      require(ellipsis >= 0, "einsum: more than one ellipsis in \"{}\"", text);
      for (; ellipsis > 0; --ellipsis) labels.push_back(-ellipsis);
      ellipsis = -1;
      i += 2;
    } else {
      const bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z');
      require(letter, "einsum: unexpected '{}' in \"{}\"", text[i], text);
      labels.push_back(text[i]);
    }
  }
  return labels;
}

/// A view's elements on the diagonal of axes of one label, each label once.
Term diagonal(const Term& term) {
  Term result;
  Shape shape, strides;
  for (int axis = 0; axis < term.x.rank(); ++axis) {
    const int label = term.labels[static_cast<std::size_t>(axis)];
    const std::int64_t size = term.x.shape()[axis];
    if (!has(result.labels, label)) {
      result.labels.push_back(label);
      shape.push_back(size);
      strides.push_back(term.x.strides()[axis]);
    } else {
      require(shape[result.axis(label)] == size, "einsum: a diagonal of {}", term.x.shape());
      strides[result.axis(label)] += term.x.strides()[axis];
    }
  }
  if (result.labels.size() == term.labels.size()) return term;
  result.x = Tensor::empty(shape, term.x.dtype());
  visit_storage(term.x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* src = static_cast<const T*>(term.x.raw());
    auto* dst = static_cast<T*>(result.x.mutable_raw());
    for_each_run<2>(shape, {strides, result.x.strides()},
                    [&](const auto& offsets, std::int64_t count, const auto& steps) {
                      for (std::int64_t i = 0; i < count; ++i)
                        dst[offsets[1] + i * steps[1]] = src[offsets[0] + i * steps[0]];
                    });
  });
  return result;
}

/// Without the labels that `keep` does not have.
template <class Keep>
Term summed(const Term& term, const Keep& keep) {
  Term result;
  std::vector<int> axes;
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    if (keep(term.labels[i])) {
      result.labels.push_back(term.labels[i]);
    } else {
      axes.push_back(static_cast<int>(i));
    }
  }
  result.x = axes.empty() ? term.x : sum(term.x, axes).cast(term.x.dtype());
  return result;
}

/// A matrix [product of batch, of rows, of columns]; labels of more than one term have full size.
Tensor as_matrices(const Term& term, const Sizes& sizes, const std::vector<Labels>& groups) {
  Shape order, full, matrix;
  for (const Labels& group : groups) {
    std::int64_t size = 1;
    for (const int label : group) {
      order.push_back(term.axis(label));
      full.push_back(sizes[label]);
      size *= sizes[label];
    }
    matrix.push_back(size);
  }
  return term.x.permute(order).expand(full).reshape(matrix);
}

/// The product of two terms, summed over the labels that `keep` does not have.
template <class Keep>
Term contract(Term a, Term b, const Sizes& sizes, const Keep& keep) {
  a = summed(a, [&](int label) { return keep(label) || has(b.labels, label); });
  b = summed(b, [&](int label) { return keep(label) || has(a.labels, label); });
  Labels batch, inner, rows, columns;
  for (const int label : a.labels)
    (!has(b.labels, label) ? rows : keep(label) ? batch : inner).push_back(label);
  for (const int label : b.labels) {
    if (!has(a.labels, label)) columns.push_back(label);
  }
  const Tensor product = matmul(as_matrices(a, sizes, {batch, rows, inner}),
                                as_matrices(b, sizes, {batch, inner, columns}));
  Term result;
  Shape shape;
  for (const Labels& group : {batch, rows, columns}) {
    for (const int label : group) {
      result.labels.push_back(label);
      shape.push_back(sizes[label]);
    }
  }
  result.x = product.reshape(shape);
  return result;
}

struct Equation {
  std::vector<Term> terms;
  Labels output;
};

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char letter : text) {
    if (letter == ',') {
      terms.emplace_back();
    } else {
      terms.back() += letter;
    }
  }
  return terms;
}

/// Without an arrow: an ellipsis, then the letters that stand once, in their order.
Labels implicit_output(const std::vector<Term>& terms, int ellipsis) {
  std::map<int, int> counts;
  for (const Term& term : terms) {
    for (const int label : term.labels) ++counts[label];
  }
  Labels output = parse_labels("...", ellipsis);
  for (const auto& [label, count] : counts) {
    if (label > 0 && count == 1) output.push_back(label);
  }
  return output;
}

Equation parse(std::string_view text, std::span<const Tensor> operands) {
  std::string equation;
  std::ranges::copy_if(text, std::back_inserter(equation), [](char c) { return c != ' '; });
  const std::size_t arrow = equation.find("->");
  const auto inputs = split_terms(equation.substr(0, arrow));
  require(inputs.size() == operands.size(), "einsum: \"{}\" has {} terms for {} operands", text,
          inputs.size(), operands.size());
  Equation parsed;
  int ellipsis = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const int letters = static_cast<int>(parse_labels(inputs[i], 0).size());
    const bool open = inputs[i].find("...") != std::string::npos;
    const int rest = operands[i].rank() - letters;
    require(open ? rest >= 0 : rest == 0, "einsum: term \"{}\" does not fit shape {}", inputs[i],
            operands[i].shape());
    ellipsis = std::max(ellipsis, rest);
    parsed.terms.push_back({operands[i], parse_labels(inputs[i], rest)});
  }
  parsed.output = arrow == std::string::npos
                      ? implicit_output(parsed.terms, ellipsis)
                      : parse_labels(std::string_view(equation).substr(arrow + 2), ellipsis);
  return parsed;
}

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> operands) {
  require(!operands.empty(), "einsum: no operands");
  Equation parsed = parse(equation, operands);
  std::vector<Term>& terms = parsed.terms;
  const Labels& output = parsed.output;
  Sizes sizes;
  for (Term& term : terms) {
    require(term.x.dtype() == terms[0].x.dtype(), "einsum: dtypes differ: {} and {}",
            terms[0].x.dtype(), term.x.dtype());
    sizes.add(term);
    term = diagonal(term);
  }
  for (const int label : output) {
    require(sizes.contains(label) && std::ranges::count(output, label) == 1,
            "einsum: the output of \"{}\" has a label twice, or one that no operand has", equation);
  }
  Term result = terms[0];
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const auto later = [&](int label) {
      return has(output, label) ||
             std::any_of(terms.begin() + static_cast<std::ptrdiff_t>(i) + 1, terms.end(),
                         [&](const Term& term) { return has(term.labels, label); });
    };
    result = contract(std::move(result), terms[i], sizes, later);
  }
  result = summed(result, [&](int label) { return has(output, label); });
  Shape order;
  for (const int label : output) order.push_back(result.axis(label));
  return result.x.permute(order).clone();
}

}  // namespace quern::ops
