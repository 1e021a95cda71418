#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/value.h"

namespace quern::jinja {

/// A name of the template, as its place in Program::names.
using Name = std::uint32_t;

struct Argument;

struct Expression {
  enum class Kind {
    constant,
    name,
    list,
    tuple,
    dict,    ///< `items` are keys and values by turns
    member,  ///< `a.b`: `word` of items[0]
    item,    ///< `a[b]`
    slice,   ///< `a[b:c:d]`; what is not given is the constant none
    call,    ///< of items[0]
    filter,  ///< `word` of items[0]
    test,    ///< likewise
    input,   ///< what the filter of a block is given
    negative,
    positive,
    no,           ///< `not a`
    both,         ///< `a and b`
    either,       ///< `a or b`
    conditional,  ///< items[1] if items[0] else items[2], which may be missing
    comparison,   ///< `words` between items
    concat,       ///< `a ~ b ~ c`
    arithmetic,   ///< `word` between two
  };

  Kind kind = Kind::constant;
  int line = 1;
  int depth = 1;
  Value value = {};
  Name name = 0;
  std::string word = {};
  std::vector<std::string> words = {};
  std::vector<Expression> items = {};
  std::vector<Argument> arguments;  // of an incomplete type, which Clang gives no value here
};

/// An argument of a call, a filter or a test.
struct Argument {
  enum class Kind { positional, keyword, list, dict };

  Kind kind = Kind::positional;
  std::string name = {};
  Expression value = {};
};

/// What `set` and `for` assign to: a name, a member of a namespace, or several of these.
struct Target {
  enum class Kind { name, member, tuple };

  Kind kind = Kind::name;
  Name name = 0;
  std::string member = {};
  std::vector<Target> parts = {};
};

struct Statement;
using Statements = std::vector<Statement>;

/// Statements with names of their own.
struct Body {
  Statements statements;  // likewise
  /// Names that it sets later and that are nothing until then, whatever they are outside.
  std::vector<Name> missing = {};
};

struct Write {
  std::string text;
};
struct Print {
  Expression value;
};
struct Branches {
  std::vector<std::pair<Expression, Statements>> tests;
  Statements otherwise;
};
struct Loop {
  Target target;
  Expression items;
  std::optional<Expression> condition;
  bool recursive = false;
  Body body;
  Body otherwise;
};
struct Set {
  Target target;
  Expression value;
};
struct SetBlock {
  Target target;
  std::optional<Expression> filter;
  Body body;
};
struct Macro {
  std::string title;
  Name name = 0;
  std::vector<Name> parameters;
  std::vector<Expression> defaults;  ///< of the last parameters
  Body body;
  // Names that it gets beside its parameters, where it uses them.
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};
struct CallBlock {
  Expression call;
  Macro caller;
};
struct FilterBlock {
  Expression filter;
  Body body;
};
struct With {
  std::vector<std::pair<Target, Expression>> values;
  Body body;
};
struct Scoped {
  Body body;
};
struct Jump {
  bool leaves = false;  ///< `break`, and not `continue`
};

struct Statement {
  int line = 1;
  std::variant<Write, Print, Branches, Loop, Set, SetBlock, Macro, CallBlock, FilterBlock, With,
               Scoped, Jump>
      what;
};

/// A template that was parsed.
struct Program {
  std::vector<std::string> names;
  Body body;
  // Names that macros are given.
  Name loop = 0, caller = 0, varargs = 0, kwargs = 0;
};

}  // namespace quern::jinja
