#include "quern/layers/activation.h"

namespace quern {

Tensor Relu::operator()(const Tensor& x) const { return ops::relu(x); }
Tensor LeakyRelu::operator()(const Tensor& x) const { return ops::leaky_relu(x, slope_); }
Tensor Gelu::operator()(const Tensor& x) const { return ops::gelu(x, form_); }
Tensor Silu::operator()(const Tensor& x) const { return ops::silu(x); }
Tensor Sigmoid::operator()(const Tensor& x) const { return ops::sigmoid(x); }
Tensor Tanh::operator()(const Tensor& x) const { return ops::tanh(x); }
Tensor Softmax::operator()(const Tensor& x) const { return ops::softmax(x, settings_.axis); }

}  // namespace quern
