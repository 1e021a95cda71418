#pragma once

#include "quern/layers/module.h"
#include "quern/ops.h"

namespace quern {

/// A layer without weights: a function of each element, or of the elements along an axis.
class QUERN_API Activation : public Module {
 public:
  void load(const WeightsView&) override {}
};

class QUERN_API Relu : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

class QUERN_API LeakyRelu : public Activation {
 public:
  explicit LeakyRelu(float slope = 0.01f) : slope_(slope) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  float slope_;
};

class QUERN_API Gelu : public Activation {
 public:
  explicit Gelu(ops::GeluForm form = ops::GeluForm::erf) : form_(form) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  ops::GeluForm form_;
};

class QUERN_API Silu : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

class QUERN_API Sigmoid : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

class QUERN_API Tanh : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

struct SoftmaxSettings {
  int axis = -1;
};

class QUERN_API Softmax : public Activation {
 public:
  explicit Softmax(const SoftmaxSettings& settings = {}) : settings_(settings) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  SoftmaxSettings settings_;
};

}  // namespace quern
