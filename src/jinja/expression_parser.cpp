#include "jinja/expression_parser.h"

#include <algorithm>

namespace quern::jinja {
namespace {

using Kind = Expression::Kind;

constexpr int kMaxTree = 400;

bool is_constant_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"true", "false", "none", "True", "False", "None"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace

Expression ExpressionParser::make(Kind kind, int line, std::vector<Expression> items) {
  Expression made;
  made.kind = kind;
  made.line = line;
  for (const Expression& item : items) made.depth = std::max(made.depth, item.depth + 1);
  if (made.depth > kMaxTree) fail_at(line, "an expression is nested too deep");
  made.items = std::move(items);
  return made;
}

Expression ExpressionParser::binary(Kind kind, std::string word, Expression left,
                                    Expression right) {
  const int line = left.line;
  std::vector<Expression> items;
  items.push_back(std::move(left));
  items.push_back(std::move(right));
  Expression made = make(kind, line, std::move(items));
  made.word = std::move(word);
  return made;
}

Expression ExpressionParser::expression(bool with_condition) {
  const TokenStream::Level level(tokens_);
  return with_condition ? conditional() : either();
}

Expression ExpressionParser::conditional() {
  Expression node = either();
  while (tokens_.skip_word("if")) {
    const int line = node.line;
    std::vector<Expression> items;
    items.push_back(either());
    items.push_back(std::move(node));
    if (tokens_.skip_word("else")) items.push_back(expression());
    node = make(Kind::conditional, line, std::move(items));
  }
  return node;
}

Expression ExpressionParser::either() {
  Expression node = both();
  while (tokens_.skip_word("or")) node = binary(Kind::either, "or", std::move(node), both());
  return node;
}

Expression ExpressionParser::both() {
  Expression node = no();
  while (tokens_.skip_word("and")) node = binary(Kind::both, "and", std::move(node), no());
  return node;
}

Expression ExpressionParser::no() {
  const int line = tokens_.line();
  if (!tokens_.skip_word("not")) return comparison();
  const TokenStream::Level level(tokens_);
  std::vector<Expression> items;
  items.push_back(no());
  return make(Kind::no, line, std::move(items));
}

Expression ExpressionParser::comparison() {
  const int line = tokens_.line();
  std::vector<Expression> items;
  std::vector<std::string> words;
  items.push_back(sum());
  for (;;) {
    const bool compares = tokens_.is_sign("==") || tokens_.is_sign("!=") || tokens_.is_sign("<") ||
                          tokens_.is_sign("<=") || tokens_.is_sign(">") || tokens_.is_sign(">=");
    const bool not_in = tokens_.is_word("not") && tokens_.next().kind == Token::Kind::name &&
                        tokens_.next().text == "in";
    if (!compares && !not_in && !tokens_.is_word("in")) break;
    if (not_in) tokens_.take();
    words.push_back(not_in ? "not in" : tokens_.now().text);
    tokens_.take();
    items.push_back(sum());
  }
  if (words.empty()) return std::move(items[0]);
  Expression made = make(Kind::comparison, line, std::move(items));
  made.words = std::move(words);
  return made;
}

Expression ExpressionParser::sum() {
  Expression node = concat();
  while (tokens_.is_sign("+") || tokens_.is_sign("-")) {
    std::string word = tokens_.take().text;
    node = binary(Kind::arithmetic, std::move(word), std::move(node), concat());
  }
  return node;
}

Expression ExpressionParser::concat() {
  const int line = tokens_.line();
  std::vector<Expression> items;
  items.push_back(product());
  while (tokens_.skip_sign("~")) items.push_back(product());
  if (items.size() == 1) return std::move(items[0]);
  return make(Kind::concat, line, std::move(items));
}

Expression ExpressionParser::product() {
  Expression node = power();
  while (tokens_.is_sign("*") || tokens_.is_sign("/") || tokens_.is_sign("//") ||
         tokens_.is_sign("%")) {
    std::string word = tokens_.take().text;
    node = binary(Kind::arithmetic, std::move(word), std::move(node), power());
  }
  return node;
}

Expression ExpressionParser::power() {
  Expression node = unary(true);
  while (tokens_.skip_sign("**"))
    node = binary(Kind::arithmetic, "**", std::move(node), unary(true));
  return node;
}

Expression ExpressionParser::unary(bool with_filter) {
  const int line = tokens_.line();
  Expression node;
  if (tokens_.is_sign("-") || tokens_.is_sign("+")) {
    const TokenStream::Level level(tokens_);
    const Kind kind = tokens_.take().text == "-" ? Kind::negative : Kind::positive;
    std::vector<Expression> items;
    items.push_back(unary(false));
    node = make(kind, line, std::move(items));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filters_and_tests(std::move(node)) : node;
}

Expression ExpressionParser::primary() {
  const TokenStream::Level level(tokens_);
  Expression made;
  made.line = tokens_.line();
  switch (tokens_.now().kind) {
    case Token::Kind::name: {
      const std::string& text = tokens_.take().text;
      if (is_constant_name(text)) {
        const bool none = text == "none" || text == "None";
        made.value = none ? Value::none() : Value::of(text == "true" || text == "True");
      } else {
        made.kind = Kind::name;
        made.name = tokens_.name(text);
      }
      return made;
    }
    case Token::Kind::string: {
      std::string text = tokens_.take().text;
      while (tokens_.is(Token::Kind::string)) text += tokens_.take().text;
      made.value = Value::of(std::move(text));
      return made;
    }
    case Token::Kind::integer:
      made.value = Value::of(tokens_.take().integer);
      return made;
    case Token::Kind::number:
      made.value = Value::of(tokens_.take().number);
      return made;
    default:
      if (tokens_.is_sign("(")) return in_parentheses();
      if (tokens_.is_sign("[")) return list();
      if (tokens_.is_sign("{")) return dict();
      tokens_.fail_expected("an expression");
  }
}

Expression ExpressionParser::in_parentheses() {
  const int line = tokens_.line();
  tokens_.expect_sign("(");
  if (tokens_.skip_sign(")")) return make(Kind::tuple, line, {});
  Expression made = tuple();
  tokens_.expect_sign(")");
  return made;
}

bool ExpressionParser::ends_tuple(std::initializer_list<std::string_view> ends) const {
  return tokens_.is(Token::Kind::print_end) || tokens_.is(Token::Kind::block_end) ||
         tokens_.is_sign(")") || tokens_.is_any_word(ends);
}

Expression ExpressionParser::tuple(bool with_condition,
                                   std::initializer_list<std::string_view> ends) {
  const int line = tokens_.line();
  std::vector<Expression> items;
  bool is_tuple = false;
  while (!ends_tuple(ends)) {
    items.push_back(expression(with_condition));
    if (!tokens_.skip_sign(",")) break;
    is_tuple = true;
  }
  if (items.empty()) tokens_.fail_expected("an expression");
  if (!is_tuple) return std::move(items[0]);
  return make(Kind::tuple, line, std::move(items));
}

/// What stands between `open` and `close`, with commas between items and maybe one behind the last.
template <class ReadItem>
void ExpressionParser::read_items(std::string_view open, std::string_view close,
                                  const ReadItem& read_item) {
  tokens_.expect_sign(open);
  for (bool first = true; !tokens_.is_sign(close); first = false) {
    if (!first) tokens_.expect_sign(",");
    if (tokens_.is_sign(close)) break;
    read_item();
  }
  tokens_.expect_sign(close);
}

Expression ExpressionParser::list() {
  const int line = tokens_.line();
  std::vector<Expression> items;
  read_items("[", "]", [&] { items.push_back(expression()); });
  return make(Kind::list, line, std::move(items));
}

Expression ExpressionParser::dict() {
  const int line = tokens_.line();
  std::vector<Expression> items;
  read_items("{", "}", [&] {
    items.push_back(expression());
    tokens_.expect_sign(":");
    items.push_back(expression());
  });
  return make(Kind::dict, line, std::move(items));
}

Expression ExpressionParser::postfix(Expression node) {
  for (;;) {
    if (tokens_.is_sign(".") || tokens_.is_sign("[")) {
      node = subscript(std::move(node));
    } else if (tokens_.is_sign("(")) {
      const int line = tokens_.line();
      std::vector<Argument> arguments = call_arguments();
      std::vector<Expression> items;
      items.push_back(std::move(node));
      node = make(Kind::call, line, std::move(items));
      node.arguments = std::move(arguments);
    } else {
      return node;
    }
  }
}

Expression ExpressionParser::subscript(Expression node) {
  const int line = tokens_.line();
  std::vector<Expression> items;
  items.push_back(std::move(node));
  if (tokens_.skip_sign(".")) {
    if (tokens_.is(Token::Kind::integer)) {
      Expression index;
      index.line = line;
      index.value = Value::of(tokens_.take().integer);
      items.push_back(std::move(index));
      return make(Kind::item, line, std::move(items));
    }
    std::string word = tokens_.expect_name();
    Expression made = make(Kind::member, line, std::move(items));
    made.word = std::move(word);
    return made;
  }
  tokens_.expect_sign("[");
  std::vector<Expression> indices;
  while (!tokens_.is_sign("]")) {
    if (!indices.empty()) tokens_.expect_sign(",");
    indices.push_back(index());
  }
  tokens_.expect_sign("]");
  if (indices.empty()) fail_at(line, "expected an index, got \"]\"");
  if (indices.size() > 1) {
    items.push_back(make(Kind::tuple, line, std::move(indices)));
    return make(Kind::item, line, std::move(items));
  }
  if (indices[0].kind != Kind::slice) {
    items.push_back(std::move(indices[0]));
    return make(Kind::item, line, std::move(items));
  }
  for (Expression& bound : indices[0].items) items.push_back(std::move(bound));
  return make(Kind::slice, line, std::move(items));
}

/// An index, or a slice that has its bounds only.
Expression ExpressionParser::index() {
  const int line = tokens_.line();
  std::vector<Expression> bounds(3);
  for (Expression& bound : bounds) bound.value = Value::none();
  std::size_t colons = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const bool given = !tokens_.is_sign(":") && !tokens_.is_sign("]") && !tokens_.is_sign(",");
    if (given) bounds[i] = expression();
    if (i == 2 || !tokens_.skip_sign(":")) break;
    ++colons;
  }
  if (colons == 0) {
    if (tokens_.is_sign(",")) tokens_.fail_expected("an index");
    return std::move(bounds[0]);
  }
  return make(Kind::slice, line, std::move(bounds));
}

std::vector<Argument> ExpressionParser::call_arguments() {
  tokens_.expect_sign("(");
  std::vector<Argument> arguments;
  bool named = false;
  while (!tokens_.is_sign(")")) {
    if (!arguments.empty()) tokens_.expect_sign(",");
    if (tokens_.is_sign(")")) break;
    Argument& argument = arguments.emplace_back();
    if (tokens_.skip_sign("**")) {
      argument.kind = Argument::Kind::dict;
      named = true;
    } else if (tokens_.skip_sign("*")) {
      argument.kind = Argument::Kind::list;
    } else if (tokens_.is(Token::Kind::name) && tokens_.next().kind == Token::Kind::sign &&
               tokens_.next().text == "=") {
      argument.kind = Argument::Kind::keyword;
      argument.name = tokens_.take().text;
      tokens_.take();
      named = true;
    } else if (named) {
      tokens_.fail_expected("a named argument after a named one");
    }
    argument.value = expression();
  }
  tokens_.expect_sign(")");
  return arguments;
}

Expression ExpressionParser::filters_and_tests(Expression node) {
  for (;;) {
    if (tokens_.is_sign("|")) {
      node = filters(std::move(node), false);
    } else if (tokens_.is_word("is")) {
      node = test(std::move(node));
    } else if (tokens_.is_sign("(")) {
      const int line = tokens_.line();
      std::vector<Argument> arguments = call_arguments();
      std::vector<Expression> items;
      items.push_back(std::move(node));
      node = make(Kind::call, line, std::move(items));
      node.arguments = std::move(arguments);
    } else {
      return node;
    }
  }
}

std::string ExpressionParser::dotted_name() {
  std::string name = tokens_.expect_name();
  while (tokens_.skip_sign(".")) name += "." + tokens_.expect_name();
  return name;
}

Expression ExpressionParser::filters(Expression input, bool starts_inline) {
  while (starts_inline || tokens_.skip_sign("|")) {
    starts_inline = false;
    const int line = tokens_.line();
    std::vector<Expression> items;
    items.push_back(std::move(input));
    input = make(Kind::filter, line, std::move(items));
    input.word = dotted_name();
    if (tokens_.is_sign("(")) input.arguments = call_arguments();
  }
  return input;
}

bool ExpressionParser::starts_argument() const {
  switch (tokens_.now().kind) {
    case Token::Kind::name:
      return !tokens_.is_any_word({"else", "or", "and"});
    case Token::Kind::string:
    case Token::Kind::integer:
    case Token::Kind::number:
      return true;
    default:
      return tokens_.is_sign("(") || tokens_.is_sign("[") || tokens_.is_sign("{");
  }
}

Expression ExpressionParser::test(Expression node) {
  const int line = tokens_.line();
  tokens_.take();
  const bool negated = tokens_.skip_word("not");
  std::vector<Expression> items;
  items.push_back(std::move(node));
  Expression made = make(Kind::test, line, std::move(items));
  made.word = dotted_name();
  if (tokens_.is_sign("(")) {
    made.arguments = call_arguments();
  } else if (starts_argument()) {
    if (tokens_.is_word("is")) tokens_.fail_expected("no second test after a test");
    made.arguments.push_back({.value = postfix(primary())});
  }
  if (!negated) return made;
  items.clear();
  items.push_back(std::move(made));
  return make(Kind::no, line, std::move(items));
}

Target ExpressionParser::single_target(bool with_member) {
  const TokenStream::Level level(tokens_);
  Target made;
  if (tokens_.skip_sign("(")) {
    made = target(with_member);
    tokens_.expect_sign(")");
    return made;
  }
  const std::string& text = tokens_.expect_name();
  if (is_constant_name(text)) fail_at(tokens_.line(), "\"" + text + "\" cannot be assigned to");
  made.name = tokens_.name(text);
  if (with_member && tokens_.skip_sign(".")) {
    made.kind = Target::Kind::member;
    made.member = tokens_.expect_name();
  }
  return made;
}

Target ExpressionParser::target(bool with_member, std::initializer_list<std::string_view> ends) {
  Target first = single_target(with_member);
  if (!tokens_.is_sign(",")) return first;
  Target made{.kind = Target::Kind::tuple};
  made.parts.push_back(std::move(first));
  while (tokens_.skip_sign(",")) {
    if (ends_tuple(ends) || tokens_.is_sign("=")) break;
    made.parts.push_back(single_target(with_member));
  }
  return made;
}

}  // namespace quern::jinja
