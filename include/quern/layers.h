#pragma once

#include "quern/layers/activation.h"
#include "quern/layers/attention.h"
#include "quern/layers/conv.h"
#include "quern/layers/embedding.h"
#include "quern/layers/linear.h"
#include "quern/layers/module.h"
#include "quern/layers/norm.h"
#include "quern/layers/pooling.h"
#include "quern/layers/recurrent.h"
#include "quern/layers/sequential.h"
