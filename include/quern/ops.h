#pragma once

/// Functions on tensors, a header a family. Inputs may be any views; results are contiguous and
/// share nothing with the inputs, where a function does not say otherwise. All are safe to call
/// from several threads. Floating results of f16 and bf16 are computed in f32 and rounded once.
/// Every function throws `invalid_argument` where shapes do not fit or dtypes differ, and
/// `unsupported` for a dtype that it does not take.

#include "quern/ops/activation.h"
#include "quern/ops/attention.h"
#include "quern/ops/cast.h"
#include "quern/ops/convolution.h"
#include "quern/ops/elementwise.h"
#include "quern/ops/image.h"
#include "quern/ops/indexing.h"
#include "quern/ops/linear_algebra.h"
#include "quern/ops/logic.h"
#include "quern/ops/normalization.h"
#include "quern/ops/pooling.h"
#include "quern/ops/quantization.h"
#include "quern/ops/random.h"
#include "quern/ops/recurrent.h"
#include "quern/ops/reduction.h"
#include "quern/ops/shape.h"
#include "quern/ops/signal.h"
#include "quern/ops/tabular.h"
#include "quern/ops/text.h"
