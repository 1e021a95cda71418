#pragma once

#include "quern/llm/chat.h"
#include "quern/llm/engine.h"
#include "quern/llm/generate.h"
#include "quern/llm/model.h"
