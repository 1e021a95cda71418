#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "jinja/ast.h"
#include "jinja/token_stream.h"

namespace quern::jinja {

/// Reads expressions, each rule of the grammar a function, loosest first.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  /// `with_condition` is whether `a if b else c` is taken.
  Expression expression(bool with_condition = true);
  /// One expression, or a tuple of several without parentheses; ends before one of `ends`.
  Expression tuple(bool with_condition = true, std::initializer_list<std::string_view> ends = {});
  /// Filters after a "|", or the first without one, applied to `input`.
  Expression filters(Expression input, bool starts_inline);
  Expression primary();
  Expression postfix(Expression node);
  std::vector<Argument> call_arguments();
  Target target(bool with_member, std::initializer_list<std::string_view> ends = {});

 private:
  Expression conditional();
  Expression either();
  Expression both();
  Expression no();
  Expression comparison();
  Expression sum();
  Expression concat();
  Expression product();
  Expression power();
  Expression unary(bool with_filter);
  Expression filters_and_tests(Expression node);
  Expression test(Expression node);
  Expression subscript(Expression node);
  Expression index();
  template <class ReadItem>
  void read_items(std::string_view open, std::string_view close, const ReadItem& read_item);
  Expression list();
  Expression dict();
  Expression in_parentheses();
  bool starts_argument() const;
  bool ends_tuple(std::initializer_list<std::string_view> ends) const;
  /// Takes "a", then "." and more names.
  std::string dotted_name();
  Expression make(Expression::Kind kind, int line, std::vector<Expression> items);
  Expression binary(Expression::Kind kind, std::string word, Expression left, Expression right);
  Target single_target(bool with_member);

  TokenStream& tokens_;
};

}  // namespace quern::jinja
