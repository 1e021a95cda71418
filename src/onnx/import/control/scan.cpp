#include <algorithm>
#include <limits>

#include "core/format.h"
#include "onnx/import/control/scan_outputs.h"
#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Ints = std::vector<std::int64_t>;

/// Attributes of a scan: an axis and a direction for each input that is scanned and each output.
struct ScanAxes {
  Ints axes, reversed;

  std::int64_t axis(std::size_t i) const { return i < axes.size() ? axes[i] : 0; }
  bool is_reversed(std::size_t i) const { return i < reversed.size() && reversed[i] != 0; }
};

/// Runs a body once for each slice of its scanned inputs, with values carried from run to run.
class ScanBody {
 public:
  ScanBody(const Node& node, const ImportContext& context, std::size_t inputs)
      : body_(context.compile(*node.attributes.get<std::shared_ptr<const Graph>>("body"))) {
    const std::int64_t scanned = node.attributes.get<std::int64_t>("num_scan_inputs");
    if (scanned < 1 || scanned > static_cast<std::int64_t>(inputs) ||
        body_->graph().inputs.size() != inputs ||
        body_->graph().outputs.size() + static_cast<std::size_t>(scanned) < inputs) {
      fail(ErrorCode::corrupt_file,
           "{} inputs, {} of them scanned, and a body of {} inputs, {} outputs", inputs, scanned,
           body_->graph().inputs.size(), body_->graph().outputs.size());
    }
    carried_ = inputs - static_cast<std::size_t>(scanned);
  }

  std::size_t carried() const noexcept { return carried_; }
  std::size_t scan_outputs() const noexcept { return body_->graph().outputs.size() - carried_; }

  /// `scanned` with the axis that is walked in front, `length` long each; gives the values carried
  /// to the end, then the outputs, stacked along a new axis in front.
  std::vector<Tensor> run(std::vector<Value> carried, std::span<const Tensor> scanned,
                          std::int64_t length, const Inputs& in) const {
    std::vector<std::vector<Tensor>> rows(scan_outputs());
    for (std::int64_t i = 0; i < length; ++i) {
      std::vector<Value> arguments = std::move(carried);
      for (const Tensor& x : scanned) arguments.emplace_back(x.slice(0, i, i + 1).squeeze(0));
      std::vector<Value> results = body_->run_nested(arguments, in);
      for (std::size_t k = 0; k < rows.size(); ++k)
        rows[k].push_back(results[carried_ + k].tensor());
      results.resize(carried_);
      carried = std::move(results);
    }
    std::vector<Tensor> outputs;
    for (const Value& value : carried) outputs.push_back(value.tensor());
    std::vector<Tensor> stacks;
    if (length == 0) {
      for (const Tensor& x : scanned) carried.emplace_back(slice_of_nothing(x));
      stacks = stack_of_nothing(*body_, carried_, carried, in);
    } else {
      for (const auto& items : rows) stacks.push_back(stack_iterations(items));
    }
    outputs.insert(outputs.end(), stacks.begin(), stacks.end());
    return outputs;
  }

 private:
  static Tensor slice_of_nothing(const Tensor& x) {
    return Tensor::zeros(Shape(std::span(x.shape().begin() + 1, x.shape().end())), x.dtype());
  }

  std::shared_ptr<const Subgraph> body_;
  std::size_t carried_ = 0;
};

Tensor reversed(const Tensor& x, int axis) {
  return x.slice(axis, std::numeric_limits<std::int64_t>::max(),
                 std::numeric_limits<std::int64_t>::min(), -1);
}

/// `x` with `axis` moved to the front.
Tensor to_front(const Tensor& x, int axis) {
  Shape order{axis};
  for (int i = 0; i < x.rank(); ++i) {
    if (i != axis) order.push_back(i);
  }
  return x.permute(order);
}

Tensor from_front(const Tensor& x, int axis) {
  Shape order;
  for (int i = 0; i < x.rank(); ++i) order.push_back(i < axis ? i + 1 : i == axis ? 0 : i);
  return x.permute(order);
}

class Scan final : public Kernel {
 public:
  Scan(const Node& node, const ImportContext& context)
      : body_(node, context, node.operator_inputs),
        inputs_{node.attributes.ints("scan_input_axes"),
                node.attributes.ints("scan_input_directions")},
        outputs_{node.attributes.ints("scan_output_axes"),
                 node.attributes.ints("scan_output_directions")},
        count_(node.operator_inputs) {}

  void run(const Inputs& in, Outputs& out) const override {
    std::vector<Value> carried;
    for (std::size_t i = 0; i < body_.carried(); ++i) carried.push_back(in.value(i));
    std::vector<Tensor> scanned;
    for (std::size_t i = body_.carried(); i < count_; ++i) scanned.push_back(walked(in[i], i));
    const std::int64_t length = scanned[0].dim(0);
    for (const Tensor& x : scanned)
      require(x.dim(0) == length, "scanned inputs of lengths {} and {}", length, x.dim(0));
    std::vector<Tensor> results = body_.run(std::move(carried), scanned, length, in);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const bool is_carried = i < body_.carried();
      out.set(i, is_carried ? results[i] : placed(results[i], i - body_.carried()));
    }
  }

 private:
  Tensor walked(const Tensor& x, std::size_t input) const {
    const std::size_t i = input - body_.carried();
    const Tensor front = to_front(x, checked_axis(inputs_.axis(i), x.rank()));
    return inputs_.is_reversed(i) ? reversed(front, 0) : front;
  }

  Tensor placed(const Tensor& rows, std::size_t i) const {
    const Tensor ordered = outputs_.is_reversed(i) ? reversed(rows, 0) : rows;
    return from_front(ordered, checked_axis(outputs_.axis(i), rows.rank()));
  }

  ScanBody body_;
  ScanAxes inputs_, outputs_;
  std::size_t count_;
};

/// Opset 8: every input has a batch axis in front, and input 0 may give the length of each item.
class BatchScan final : public Kernel {
 public:
  BatchScan(const Node& node, const ImportContext& context)
      : body_(node, context, node.operator_inputs - std::min<std::size_t>(1, node.operator_inputs)),
        inputs_{{}, node.attributes.ints("directions")},
        count_(node.operator_inputs) {}

  void run(const Inputs& in, Outputs& out) const override {
    const std::size_t first_scanned = 1 + body_.carried();
    const std::int64_t batch = in[first_scanned].dim(0);
    const std::int64_t longest = in[first_scanned].dim(1);
    std::vector<std::vector<Tensor>> results(body_.carried() + body_.scan_outputs());
    for (std::int64_t item = 0; item < batch; ++item) {
      const std::int64_t length = in.has(0) ? item_length(in.ints(0), item, longest) : longest;
      std::vector<Tensor> made = run_item(in, item, length);
      for (std::size_t k = 0; k < made.size(); ++k) {
        const bool is_short = k >= body_.carried() && length < longest;
        results[k].push_back((is_short ? lengthened(made[k], longest) : made[k]).unsqueeze(0));
      }
    }
    for (std::size_t k = 0; k < results.size(); ++k) out.set(k, ops::concat(results[k], 0));
  }

 private:
  static std::int64_t item_length(const Ints& lengths, std::int64_t item, std::int64_t longest) {
    require(item < std::ssize(lengths), "{} lengths", lengths.size());
    const std::int64_t length = lengths[static_cast<std::size_t>(item)];
    require(length >= 0 && length <= longest, "a length of {} for {}", length, longest);
    return length;
  }

  static Tensor item_of(const Tensor& x, std::int64_t item) {
    require(x.rank() > 0 && item < x.dim(0), "no item {} in shape {}", item, x.shape());
    return x.slice(0, item, item + 1).squeeze(0);
  }

  std::vector<Tensor> run_item(const Inputs& in, std::int64_t item, std::int64_t length) const {
    std::vector<Value> carried;
    std::vector<Tensor> scanned;
    for (std::size_t i = 1; i < count_; ++i) {
      const Tensor x = item_of(in[i], item);
      if (i <= body_.carried()) {
        carried.emplace_back(x);
        continue;
      }
      require(x.rank() > 0 && x.dim(0) >= length, "{} slices of shape {}", length, x.shape());
      const Tensor used = x.slice(0, 0, length);
      scanned.push_back(inputs_.is_reversed(i - 1 - body_.carried()) ? reversed(used, 0) : used);
    }
    return body_.run(std::move(carried), scanned, length, in);
  }

  static Tensor lengthened(const Tensor& rows, std::int64_t length) {
    Ints before(static_cast<std::size_t>(rows.rank()), 0);
    Ints after = before;
    after[0] = length - rows.dim(0);
    return ops::pad(rows, before, after);
  }

  ScanBody body_;
  ScanAxes inputs_;
  std::size_t count_;
};

// clang-format off
constexpr Operator kScanOperators[] = {
    {.op_type = "Scan", .since = 8, .inputs = {2, kAnyNumber}, .import = make<BatchScan>},
    {.op_type = "Scan", .since = 9, .inputs = {1, kAnyNumber}, .import = make<Scan>},
};
// clang-format on

}  // namespace

OperatorTable scan_operators() { return kScanOperators; }

}  // namespace quern::onnx
