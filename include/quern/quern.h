#pragma once

/// All of the library's API.

#include "quern/chat_template.h"
#include "quern/dtype.h"
#include "quern/error.h"
#include "quern/layers.h"
#include "quern/llm.h"
#include "quern/onnx.h"
#include "quern/onnx/batcher.h"
#include "quern/ops.h"
#include "quern/runtime.h"
#include "quern/shape.h"
#include "quern/tensor.h"
#include "quern/tokenizer.h"
#include "quern/version.h"
#include "quern/weights.h"
