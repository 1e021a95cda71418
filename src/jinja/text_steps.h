#pragma once

#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace quern::jinja {

enum class Ends { begin, end, both };

/// Without white space, or without any of `characters`, at its ends.
Text stripped(const Text& text, Ends ends);
Text stripped(const Text& text, Ends ends, std::string_view characters);

/// As Python's `split` and `rsplit`; at most `most` times unless that is negative.
std::vector<Text> split_at(const Text& text, std::string_view separator, std::int64_t most,
                           bool from_end);
std::vector<Text> split_at_spaces(const Text& text, std::int64_t most, bool from_end);
std::vector<Text> lines_of(const Text& text, bool keep_ends);
Value list_of(Run& run, std::vector<Text> texts);

/// The first `count` places of `old` taken by `fresh`, or all where `count` is negative.
Text replaced(Run& run, const Text& text, const Text& old, const Text& fresh, std::int64_t count);

enum class Padding { before, after, around };
/// At least `width` characters, with `fill` added.
Text padded(Run& run, const Text& text, std::int64_t width, const Text& fill, Padding padding);

}  // namespace quern::jinja
