#include "jinja/parser.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "jinja/expression_parser.h"
#include "jinja/scopes.h"

namespace quern::jinja {
namespace {

using Tag = Token::Kind;
using Words = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)), expressions_(tokens_) {}

  Program run() {
    Program program;
    program.loop = tokens_.name("loop");
    program.caller = tokens_.name("caller");
    program.varargs = tokens_.name("varargs");
    program.kwargs = tokens_.name("kwargs");
    program.body.statements = statements({});
    program.names = tokens_.take_names();
    resolve_scopes(program);
    return program;
  }

 private:
  /// Statements up to a tag that starts with one of `ends`, which is left, within its tag; up to
  /// the end of the template where there are none.
  Statements statements(Words ends) {
    const TokenStream::Level level(tokens_);
    Statements made;
    for (;;) {
      const int line = tokens_.line();
      if (tokens_.is(Tag::end)) {
        if (ends.size() != 0) tokens_.fail_expected("{% " + std::string(*ends.begin()) + " %}");
        return made;
      }
      if (tokens_.is(Tag::data)) {
        made.push_back({line, Write{tokens_.take().text}});
      } else if (tokens_.is(Tag::print_begin)) {
        tokens_.take();
        made.push_back({line, Print{expressions_.tuple()}});
        tokens_.expect(Tag::print_end);
      } else {
        tokens_.expect(Tag::block_begin);
        if (tokens_.is_any_word(ends)) return made;
        made.push_back(statement());
        tokens_.expect(Tag::block_end);
      }
    }
  }

  /// What stands from the end of a tag to the next that starts with one of `ends`.
  Statements block(Words ends) {
    tokens_.skip_sign(":");
    tokens_.expect(Tag::block_end);
    return statements(ends);
  }
  /// The same, and past the word that ends it.
  Body body(std::string_view end) {
    Body made{block({end}), {}};
    tokens_.take();
    return made;
  }

  Statement statement() {
    const int line = tokens_.line();
    const std::string word = tokens_.expect_name();
    if (word == "if") return {line, branches()};
    if (word == "for") return {line, loop()};
    if (word == "set") return set(line);
    if (word == "macro") return {line, macro()};
    if (word == "call") return {line, call_block()};
    if (word == "filter") return {line, filter_block()};
    if (word == "with") return {line, with()};
    if (word == "print") return {line, Print{expressions_.tuple()}};
    if (word == "generation") return {line, Scoped{inner_body("endgeneration")}};
    if (word == "block") return {line, named_block()};
    if (word == "autoescape") return {line, autoescape()};
    if (word == "break" || word == "continue") {
      if (loops_ == 0) fail_at(line, "\"" + word + "\" stands in no loop");
      return {line, Jump{word == "break"}};
    }
    for (const std::string_view other : {"include", "import", "from", "extends"}) {
      if (word == other)
        fail(ErrorCode::unsupported, "chat template: line {}: \"{}\": there are no other templates",
             line, word);
    }
    fail_at(line, "expected a statement, got \"" + word.substr(0, 40) + "\"");
  }

  Branches branches() {
    Branches made;
    for (;;) {
      Expression test = expressions_.tuple(false);
      Statements inner = block({"elif", "else", "endif"});
      made.tests.emplace_back(std::move(test), std::move(inner));
      if (tokens_.skip_word("elif")) continue;
      if (tokens_.skip_word("else")) made.otherwise = block({"endif"});
      if (!tokens_.skip_word("endif")) tokens_.fail_expected("{% endif %}");
      return made;
    }
  }

  Loop loop() {
    Loop made;
    made.target = expressions_.target(false, {"in"});
    if (!tokens_.skip_word("in")) tokens_.fail_expected("\"in\"");
    made.items = expressions_.tuple(false, {"recursive"});
    if (tokens_.skip_word("if")) made.condition = expressions_.expression();
    made.recursive = tokens_.skip_word("recursive");
    ++loops_;
    made.body.statements = block({"endfor", "else"});
    --loops_;
    if (tokens_.skip_word("else")) made.otherwise.statements = block({"endfor"});
    tokens_.take();
    return made;
  }

  Statement set(int line) {
    Target target = expressions_.target(true);
    if (tokens_.skip_sign("=")) return {line, Set{std::move(target), expressions_.tuple()}};
    SetBlock made{std::move(target), std::nullopt, {}};
    if (tokens_.is_sign("|")) made.filter = expressions_.filters(input(), false);
    made.body = body("endset");
    return {line, std::move(made)};
  }

  /// A body that is a function of its own, in which no loop outside goes on.
  Body inner_body(std::string_view end) {
    const int outer = std::exchange(loops_, 0);
    Body made = body(end);
    loops_ = outer;
    return made;
  }

  Expression input() const {
    Expression made;
    made.kind = Expression::Kind::input;
    made.line = tokens_.line();
    return made;
  }

  void signature(Macro& macro) {
    tokens_.expect_sign("(");
    while (!tokens_.is_sign(")")) {
      if (!macro.parameters.empty()) tokens_.expect_sign(",");
      if (tokens_.is_sign(")")) break;
      macro.parameters.push_back(tokens_.name(tokens_.expect_name()));
      if (tokens_.skip_sign("=")) {
        macro.defaults.push_back(expressions_.expression());
      } else if (!macro.defaults.empty()) {
        tokens_.fail_expected("a default, as the parameter before has");
      }
    }
    tokens_.expect_sign(")");
  }

  Macro macro() {
    Macro made;
    made.title = tokens_.expect_name();
    made.name = tokens_.name(made.title);
    signature(made);
    made.body = inner_body("endmacro");
    return made;
  }

  CallBlock call_block() {
    CallBlock made;
    made.caller.title = "caller";
    if (tokens_.is_sign("(")) signature(made.caller);
    made.call = expressions_.expression();
    if (made.call.kind != Expression::Kind::call)
      fail_at(made.call.line, "expected a call after {% call");
    made.caller.body = inner_body("endcall");
    return made;
  }

  FilterBlock filter_block() {
    FilterBlock made{expressions_.filters(input(), true), {}};
    made.body = body("endfilter");
    return made;
  }

  With with() {
    With made;
    while (!tokens_.is(Tag::block_end)) {
      if (!made.values.empty()) tokens_.expect_sign(",");
      Target target = expressions_.target(false);
      tokens_.expect_sign("=");
      made.values.emplace_back(std::move(target), expressions_.expression());
    }
    made.body = body("endwith");
    return made;
  }

  Scoped named_block() {
    const std::string name = tokens_.expect_name();
    tokens_.skip_word("scoped");
    tokens_.skip_word("required");
    Scoped made{inner_body("endblock")};
    tokens_.skip_word(name);
    return made;
  }

  Scoped autoescape() {
    const Expression value = expressions_.expression();
    const bool* on = value.value.find<bool>();
    if (value.kind != Expression::Kind::constant || !on || *on)
      fail(ErrorCode::unsupported, "chat template: line {}: only {{% autoescape false %}} is known",
           value.line);
    return {body("endautoescape")};
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;
};

}  // namespace

Program parse(std::string_view source) { return Parser(source).run(); }

}  // namespace quern::jinja
