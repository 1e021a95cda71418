#include "jinja/scopes.h"

#include <map>
#include <set>

#include "jinja/filters.h"
#include "jinja/lexer.h"
#include "jinja/tests.h"

namespace quern::jinja {
namespace {

/// What a name is when its body begins.
enum class Origin { data, outer, missing, parameter };

/// The names of a body, as far as it was read. A name that it only sets begins as missing; one
/// that it sets in some branch begins as what it is outside.
struct Names {
  const Names* parent = nullptr;
  std::map<Name, Origin> origins = {};
  std::set<Name> stored = {};

  bool knows(Name name) const { return origins.contains(name) || (parent && parent->knows(name)); }
  void load(Name name) {
    if (!knows(name)) origins.emplace(name, Origin::data);
  }
  void declare(Name name) {
    stored.insert(name);
    origins[name] = Origin::parameter;
  }
  void store(Name name) {
    stored.insert(name);
    if (origins.contains(name)) return;
    origins.emplace(name, parent && parent->knows(name) ? Origin::outer : Origin::missing);
  }
  void merge(const std::vector<Names>& branches) {
    std::set<Name> fresh;
    for (const Names& branch : branches) {
      for (const Name name : branch.stored) {
        if (!stored.contains(name)) fresh.insert(name);
      }
    }
    for (const Names& branch : branches) {
      for (const auto& [name, origin] : branch.origins) origins[name] = origin;
      stored.insert(branch.stored.begin(), branch.stored.end());
    }
    for (const Name name : fresh)
      origins[name] = parent && parent->knows(name) ? Origin::outer : Origin::data;
  }
};

/// Reads what a body itself loads and stores, and not the bodies within it.
class NameReader {
 public:
  explicit NameReader(Names& names) : names_(&names) {}

  void read(const Expression& node) {
    if (node.kind == Expression::Kind::name) names_->load(node.name);
    for (const Expression& item : node.items) read(item);
    for (const Argument& argument : node.arguments) read(argument.value);
  }
  void store(const Target& target) {
    if (target.kind == Target::Kind::name) names_->store(target.name);
    if (target.kind == Target::Kind::member) names_->load(target.name);
    for (const Target& part : target.parts) store(part);
  }
  void declare(const Target& target) {
    if (target.kind == Target::Kind::name) names_->declare(target.name);
    for (const Target& part : target.parts) declare(part);
  }
  void read(const Statements& statements) {
    for (const Statement& statement : statements)
      std::visit([this](const auto& what) { visit(what); }, statement.what);
  }

 private:
  void visit(const Print& what) { read(what.value); }
  void visit(const Branches& what) { read_branches(what, 0); }
  void visit(const Loop& what) { read(what.items); }
  void visit(const Set& what) {
    read(what.value);
    store(what.target);
  }
  void visit(const SetBlock& what) { store(what.target); }
  void visit(const Macro& what) { names_->store(what.name); }
  void visit(const CallBlock& what) { read(what.call); }
  void visit(const FilterBlock& what) { read(what.filter); }
  void visit(const With& what) {
    for (const auto& [target, value] : what.values) read(value);
  }
  void visit(const Write&) {}
  void visit(const Scoped&) {}
  void visit(const Jump&) {}

  /// An "elif" is a branch of its own within what is not the first.
  void read_branches(const Branches& what, std::size_t first) {
    read(what.tests[first].first);
    Names* outer = names_;
    std::vector<Names> branches(3, *outer);
    names_ = &branches[0];
    read(what.tests[first].second);
    names_ = &branches[1];
    for (std::size_t i = first + 1; i < what.tests.size(); ++i) read_alone(what.tests[i]);
    names_ = &branches[2];
    read(what.otherwise);
    names_ = outer;
    outer->merge(branches);
  }

  void read_alone(const std::pair<Expression, Statements>& test) {
    read(test.first);
    Names* outer = names_;
    std::vector<Names> branches(1, *outer);
    names_ = &branches[0];
    read(test.second);
    names_ = outer;
    outer->merge(branches);
  }

  Names* names_;
};

class Resolver {
 public:
  explicit Resolver(const Program& program) : program_(program) {}

  void root(Body& body) {
    Names names;
    enter(body, names, false);
  }

 private:
  /// `names` has what the body is given.
  void enter(Body& body, Names& names, bool soft) {
    NameReader(names).read(body.statements);
    for (const auto& [name, origin] : names.origins) {
      if (origin == Origin::missing) body.missing.push_back(name);
    }
    walk(body.statements, names, soft);
  }

  void walk(Statements& statements, const Names& names, bool soft) {
    for (Statement& statement : statements) {
      std::visit([&](auto& what) { visit(what, names, soft); }, statement.what);
    }
  }

  /// `soft` is within a condition, where what is not known may stand and not be reached.
  void check(const Expression& node, bool soft) {
    using Kind = Expression::Kind;
    if (node.kind == Kind::name) note_use(node.name);
    if (!soft && node.kind == Kind::filter && !find_filter(node.word))
      fail_at(node.line, "there is no filter \"" + node.word.substr(0, 40) + "\"");
    if (!soft && node.kind == Kind::test && !find_test(node.word))
      fail_at(node.line, "there is no test \"" + node.word.substr(0, 40) + "\"");
    const bool inner = soft || node.kind == Kind::conditional;
    for (const Expression& item : node.items) check(item, inner);
    for (const Argument& argument : node.arguments) check(argument.value, inner);
  }

  void note_use(Name name) {
    for (Macro* macro : macros_) {
      macro->uses_caller |= name == program_.caller;
      macro->uses_varargs |= name == program_.varargs;
      macro->uses_kwargs |= name == program_.kwargs;
    }
  }

  void visit(Write&, const Names&, bool) {}
  void visit(Jump&, const Names&, bool) {}
  void visit(Print& what, const Names&, bool soft) { check(what.value, soft); }
  void visit(Set& what, const Names&, bool soft) { check(what.value, soft); }
  void visit(Branches& what, const Names& names, bool) {
    for (auto& [test, statements] : what.tests) {
      check(test, true);
      walk(statements, names, true);
    }
    walk(what.otherwise, names, true);
  }
  void visit(Loop& what, const Names& names, bool soft) {
    check(what.items, soft);
    if (what.condition) check(*what.condition, false);
    Names inner{&names};
    NameReader(inner).declare(what.target);
    inner.declare(program_.loop);
    enter(what.body, inner, false);
    Names other{&names};
    enter(what.otherwise, other, false);
  }
  void visit(SetBlock& what, const Names& names, bool soft) {
    if (what.filter) check(*what.filter, soft);
    scoped(what.body, names);
  }
  void visit(FilterBlock& what, const Names& names, bool soft) {
    check(what.filter, soft);
    scoped(what.body, names);
  }
  void visit(Scoped& what, const Names& names, bool) { scoped(what.body, names); }
  void visit(With& what, const Names& names, bool soft) {
    Names inner{&names};
    for (const auto& [target, value] : what.values) {
      check(value, soft);
      NameReader(inner).declare(target);
    }
    enter(what.body, inner, false);
  }
  void visit(Macro& what, const Names& names, bool) { macro(what, names); }
  void visit(CallBlock& what, const Names& names, bool soft) {
    check(what.call, soft);
    macro(what.caller, names);
  }

  void scoped(Body& body, const Names& names) {
    Names inner{&names};
    enter(body, inner, false);
  }

  void macro(Macro& what, const Names& names) {
    Names inner{&names};
    for (const Name parameter : what.parameters) inner.declare(parameter);
    for (const Name special : {program_.caller, program_.varargs, program_.kwargs})
      inner.declare(special);
    macros_.push_back(&what);
    for (const Expression& value : what.defaults) {
      NameReader(inner).read(value);
      check(value, false);
    }
    enter(what.body, inner, false);
    macros_.pop_back();
  }

  const Program& program_;
  std::vector<Macro*> macros_;
};

}  // namespace

void resolve_scopes(Program& program) { Resolver(program).root(program.body); }

}  // namespace quern::jinja
