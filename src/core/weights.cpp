#include "quern/weights.h"

#include <algorithm>

#include "core/block_format.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/format.h"

namespace quern {

std::string_view to_string(Encoding encoding) noexcept {
  constexpr std::string_view kNames[] = {
      "dense",  "q4_0",  "q4_1",    "q5_0",  "q5_1",   "q8_0",  "mxfp4",  "iq4_nl",
      "q2_k",   "q3_k",  "q4_k",    "q5_k",  "q6_k",   "q8_k",  "iq4_xs", "tq1_0",
      "tq2_0",  "q8_1",  "nvfp4",   "q1_0",  "q2_0",   "iq1_s", "iq1_m",  "iq2_xxs",
      "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "q4_f32", "q8_f32"};
  return kNames[static_cast<unsigned>(encoding)];
}

Weight::Weight(Tensor dense) : dense_(dense.contiguous()), shape_(dense_.shape()) {
  const auto bytes = static_cast<std::size_t>(shape_.numel()) * size_of(dense_.dtype());
  bytes_ = {static_cast<const std::byte*>(dense_.raw()), bytes};
}

Weight::Weight(Encoding encoding, const Shape& shape, std::span<const std::byte> bytes,
               std::shared_ptr<const void> owner)
    : encoding_(encoding), shape_(shape), bytes_(bytes), owner_(std::move(owner)) {
  const BlockFormat block = block_format(encoding);
  require(shape.rank() > 0 && shape.dim(-1) % block.values == 0,
          "weight: {} comes in blocks of {}, not as shape {}", to_string(encoding), block.values,
          shape);
  const std::int64_t expected = shape.numel() / block.values * block.bytes;
  require(static_cast<std::int64_t>(bytes.size()) == expected,
          "weight: {} of shape {} takes {} bytes, got {}", to_string(encoding), shape, expected,
          bytes.size());
}

std::string_view Weight::type_name() const noexcept {
  return encoding_ == Encoding::dense ? to_string(dense_.dtype()) : to_string(encoding_);
}

Tensor Weight::tensor() const {
  if (encoding_ == Encoding::dense) return dense_;
  Tensor values = Tensor::empty(shape_);
  decode_blocks(encoding_, bytes_.data(), values.mutable_data<float>().data(), shape_.numel());
  return values;
}

Weight Weight::rows(std::int64_t begin, std::int64_t end) const {
  require(shape_.rank() > 0 && 0 <= begin && begin <= end && end <= shape_[0],
          "weight: rows {} to {} of shape {}", begin, end, shape_);
  if (encoding_ == Encoding::dense) return {dense_.slice(0, begin, end)};
  require(shape_.rank() > 1, "weight: {} of shape {} has no rows", type_name(), shape_);
  const auto row = bytes_.size() / static_cast<std::size_t>(std::max<std::int64_t>(shape_[0], 1));
  Shape shape = shape_;
  shape[0] = end - begin;
  return {encoding_, shape,
          bytes_.subspan(static_cast<std::size_t>(begin) * row,
                         static_cast<std::size_t>(end - begin) * row),
          owner_};
}

Weight Weight::reshape(const Shape& shape) const {
  const bool fits = shape.numel() == shape_.numel() && shape.rank() > 0 && shape_.rank() > 0 &&
                    shape.dim(-1) == shape_.dim(-1);
  require(fits, "weight: {} of shape {} as shape {}", type_name(), shape_, shape);
  if (encoding_ == Encoding::dense) return {dense_.reshape(shape)};
  return {encoding_, shape, bytes_, owner_};
}

Weight Weight::concat(std::span<const Weight> parts) {
  require(!parts.empty(), "weight: concat of no parts");
  const Weight& first = parts.front();
  Shape shape = first.shape();
  require(shape.rank() > 1 || first.encoding() == Encoding::dense,
          "weight: concat of {} of shape {}", first.type_name(), shape);
  shape[0] = 0;
  for (const Weight& part : parts) {
    Shape row = part.shape();
    shape[0] += row.dim(0);
    row[0] = first.shape()[0];
    require(row == first.shape() && part.type_name() == first.type_name(),
            "weight: concat of {} of shape {} and {} of shape {}", first.type_name(), first.shape(),
            part.type_name(), part.shape());
  }
  std::size_t bytes = 0;
  for (const Weight& part : parts) bytes += part.bytes().size();
  const auto join = [&](std::byte* dst) {
    for (const Weight& part : parts) dst = std::ranges::copy(part.bytes(), dst).out;
  };
  if (first.encoding() == Encoding::dense) {
    Tensor joined = Tensor::empty(shape, first.dense_.dtype());
    join(static_cast<std::byte*>(joined.mutable_raw()));
    return {joined};
  }
  const auto memory = allocate_buffer(bytes);
  join(memory.get());
  return {first.encoding(), shape, {memory.get(), bytes}, memory};
}

struct Weights::Store {
  std::map<std::string, Weight, std::less<>> weights;
};

Weights::Weights() : store_(std::make_shared<Store>()) {}

Weights::Weights(std::map<std::string, Weight> weights) {
  auto store = std::make_shared<Store>();
  for (auto& [name, weight] : weights) store->weights.emplace(name, std::move(weight));
  store_ = std::move(store);
}

bool Weights::contains(std::string_view name) const { return store_->weights.contains(name); }

const Weight& Weights::get(std::string_view name) const {
  const auto found = store_->weights.find(name);
  if (found != store_->weights.end()) return found->second;
  const std::size_t dot = name.rfind('.');
  const std::string_view ending = dot == std::string_view::npos ? name : name.substr(dot);
  std::string similar;
  for (const auto& [known, weight] : store_->weights) {
    if (similar.size() < 120 && known.ends_with(ending))
      similar += (similar.empty() ? "" : ", ") + known;
  }
  fail(ErrorCode::not_found, "weights: no \"{}\" among {} weights{}{}", name, size(),
       similar.empty() ? "" : "; similar: ", similar);
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, weight] : store_->weights) names.push_back(name);
  return names;
}

std::size_t Weights::size() const noexcept { return store_->weights.size(); }

WeightsView Weights::view(std::string_view prefix) const { return {*this, std::string(prefix)}; }

WeightsView::WeightsView(Weights weights, std::string prefix)
    : weights_(std::move(weights)), prefix_(std::move(prefix)) {}

WeightsView WeightsView::operator[](std::string_view name) const {
  return {weights_, full_name(name)};
}

bool WeightsView::contains(std::string_view name) const {
  return weights_.contains(full_name(name));
}

const Weight& WeightsView::get(std::string_view name) const {
  return weights_.get(full_name(name));
}

const Weight& WeightsView::get(std::string_view name, const Shape& shape) const {
  const Weight& weight = get(name);
  require(weight.shape() == shape, "weights: \"{}\" has shape {}, expected {}", full_name(name),
          weight.shape(), shape);
  return weight;
}

std::string WeightsView::full_name(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : fmt::format("{}.{}", prefix_, name);
}

}  // namespace quern
