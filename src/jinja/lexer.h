#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern::jinja {

struct Token {
  enum class Kind {
    data,  ///< what stands between tags, as it is written out
    print_begin,
    print_end,
    block_begin,
    block_end,
    name,
    string,
    integer,
    number,
    sign,  ///< an operator, a bracket, a comma
    end,
  };

  Kind kind = Kind::end;
  int line = 1;
  std::string text{};  ///< of a string: what it stands for
  std::int64_t integer = 0;
  double number = 0;
};

/// The tokens of a template, with white space around tags taken as `trim_blocks` and
/// `lstrip_blocks` do: a tag of its own takes its line break and the indent before it along. Ends
/// with a token `end`. Throws: `corrupt_file` with the line.
std::vector<Token> tokenize(std::string_view source);

/// How messages name a token.
std::string describe(const Token& token);

/// Throws `corrupt_file`: "chat template: line 3: expected ..., got ...".
[[noreturn]] void fail_at(int line, std::string_view what);

}  // namespace quern::jinja
