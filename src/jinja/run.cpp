#include "jinja/run.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "jinja/globals.h"
#include "jinja/loop_state.h"
#include "jinja/print.h"

namespace quern::jinja {
namespace {

/// A macro where it was defined.
class MacroObject final : public Object {
 public:
  MacroObject(const Macro& macro, std::shared_ptr<Scope> scope)
      : macro_(macro), scope_(std::move(scope)) {}

  std::string_view type_name() const noexcept override { return "Macro"; }
  std::string describe(Run&) const override { return "<Macro '" + macro_.title + "'>"; }
  Value member(Run& run, std::string_view name) override {
    if (name == "name") return Value::of(macro_.title);
    if (name == "caller") return Value::of(macro_.uses_caller);
    if (name == "catch_varargs") return Value::of(macro_.uses_varargs);
    if (name == "catch_kwargs") return Value::of(macro_.uses_kwargs);
    if (name != "arguments") return Object::member(run, name);
    Values names;
    for (const Name parameter : macro_.parameters) names.push_back(Value::of(run.name(parameter)));
    return make_sequence(Sequence::Kind::tuple, std::move(names));
  }
  Value call(Run& run, Arguments& arguments) override {
    return run.call_macro(macro_, scope_, arguments);
  }

 private:
  const Macro& macro_;
  std::shared_ptr<Scope> scope_;
};

}  // namespace

Value* Scope::find(Name name) noexcept {
  const auto found =
      std::ranges::find_if(values, [&](const auto& one) { return one.first == name; });
  return found == values.end() ? nullptr : &found->second;
}

void Scope::set(Name name, Value value) {
  if (Value* there = find(name)) {
    *there = std::move(value);
  } else {
    values.emplace_back(name, std::move(value));
  }
}

Run::Run(const Program& program, const Dict& data, const RenderOptions& options)
    : program_(program), options_(options) {
  for (const std::string& name : program.names) {
    const Value* given = data.find(name);
    globals_.push_back(given ? *given : global(name));
  }
}

Run::~Run() {
  for (const auto& object : kept_) object->clear();
  for (const auto& scope : kept_scopes_) scope->values.clear();
}

Text Run::render() {
  run(program_.body, nullptr);
  return std::move(output_);
}

void Run::fail_with(const std::string& what) const {
  quern::fail(ErrorCode::invalid_argument, "chat template: line {}: {}", line_, what);
}

void Run::fail_unsupported(const std::string& what) const {
  quern::fail(ErrorCode::unsupported, "chat template: line {}: {}", line_, what);
}

void Run::step(std::size_t count) {
  steps_ += static_cast<std::int64_t>(count);
  if (steps_ > options_.max_steps)
    fail_unsupported(fmt::format("it takes more than {} steps", options_.max_steps));
}

void Run::charge(std::size_t bytes) {
  constexpr std::size_t kBytesOfStep = 64;
  step(1 + bytes / kBytesOfStep);
  bytes_ += static_cast<std::int64_t>(std::min<std::size_t>(bytes, std::size_t{1} << 40));
  if (bytes_ > options_.max_bytes)
    fail_unsupported(fmt::format("it makes more than {} bytes", options_.max_bytes));
}

std::tm Run::now() const {
  const std::time_t time = options_.now ? options_.now : std::time(nullptr);
  std::tm local{};
  localtime_r(&time, &local);
  return local;
}

Value Run::keep(std::shared_ptr<Object> object) {
  kept_.push_back(object);
  return Value::of(std::move(object));
}

Value Run::make_text(Text text) {
  charge(text.size());
  return Value::of(std::move(text));
}

Run::Level::Level(Run& run) : run_(run) {
  run.step();
  if (++run.levels_ > run.options_.max_levels) {
    --run.levels_;
    run.fail_unsupported(fmt::format("more than {} levels deep", run.options_.max_levels));
  }
}

Run::Flow Run::run(const Statements& statements) {
  for (const Statement& statement : statements) {
    const Level level(*this);
    line_ = statement.line;
    const Flow flow =
        std::visit([this](const auto& what) { return execute(what); }, statement.what);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Run::Flow Run::run(const Body& body, std::shared_ptr<Scope> scope) {
  if (!scope) {
    scope = std::make_shared<Scope>();
    scope->parent = scope_;
  }
  for (const Name name : body.missing) scope->values.emplace_back(name, Value());
  const std::shared_ptr<Scope> outer = std::exchange(scope_, std::move(scope));
  const Flow flow = run(body.statements);
  scope_ = outer;
  return flow;
}

void Run::write(const Text& text) {
  charge(text.size());
  output_.append(text);
}

Run::Flow Run::execute(const Write& what) {
  charge(what.text.size());
  output_.append(what.text);
  return Flow::next;
}

Run::Flow Run::execute(const Print& what) {
  const Value value = evaluate(what.value);
  if (const Text* text = value.text()) {
    write(*text);
  } else {
    write(to_text(*this, value));
  }
  return Flow::next;
}

Run::Flow Run::execute(const Branches& what) {
  for (const auto& [test, statements] : what.tests) {
    if (truth(evaluate(test))) return run(statements);
  }
  return run(what.otherwise);
}

bool Run::takes(const Loop& loop, const Value& item, const std::shared_ptr<Scope>& scope) {
  step();
  if (!loop.condition) return true;
  const auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  assign(loop.target, item, *inner);
  const std::shared_ptr<Scope> outer = std::exchange(scope_, inner);
  const bool taken = truth(evaluate(*loop.condition));
  scope_ = outer;
  return taken;
}

Run::Flow Run::run(const Loop& loop, const Value& items, const std::shared_ptr<Scope>& outer,
                   int depth) {
  const auto state = std::make_shared<LoopState>(*this, loop, items, outer, depth);
  bool completed = false;
  while (state->advance()) {
    const auto scope = std::make_shared<Scope>();
    scope->parent = outer;
    scope->values.emplace_back(program_.loop, Value::of(std::shared_ptr<Object>(state)));
    assign(loop.target, state->current(), *scope);
    const Flow flow = run(loop.body, scope);
    if (flow == Flow::leave) break;
    completed |= flow == Flow::next;
  }
  if (completed || loop.otherwise.statements.empty()) return Flow::next;
  const std::shared_ptr<Scope> before = std::exchange(scope_, outer);
  const Flow flow = run(loop.otherwise, nullptr);
  scope_ = before;
  return flow;
}

Run::Flow Run::execute(const Loop& what) { return run(what, evaluate(what.items), scope_, 0); }

Value Run::call_loop(const Loop& loop, const Value& items, const std::shared_ptr<Scope>& scope,
                     int depth) {
  if (!loop.recursive) fail("the loop is not recursive, so it cannot be called");
  const Level level(*this);
  Text outer = std::exchange(output_, {});
  run(loop, items, scope, depth);
  return Value::of(std::exchange(output_, std::move(outer)));
}

void Run::assign(const Target& target, const Value& value, Scope& scope) {
  if (target.kind == Target::Kind::name) return scope.set(target.name, value);
  if (target.kind == Target::Kind::member) {
    const Value holder = look_up(target.name);
    auto* space = dynamic_cast<Namespace*>(holder.object());
    if (!space)
      fail("only a namespace's members can be set, and \"{}\" is of type {}", name(target.name),
           holder.type_name());
    return space->set(target.member, value);
  }
  const Values parts = iterate(value);
  if (parts.size() != target.parts.size())
    fail("expected {} values to unpack, got {}", target.parts.size(), parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) assign(target.parts[i], parts[i], scope);
}

Run::Flow Run::execute(const Set& what) {
  assign(what.target, evaluate(what.value), *scope_);
  return Flow::next;
}

Text Run::captured(const Body& body, Flow& flow) {
  Text outer = std::exchange(output_, {});
  flow = run(body, nullptr);
  return std::exchange(output_, std::move(outer));
}

Run::Flow Run::execute(const SetBlock& what) {
  Flow flow = Flow::next;
  Text text = captured(what.body, flow);
  if (flow != Flow::next) return flow;
  const Value value =
      what.filter ? evaluate_filters(*what.filter, std::move(text)) : Value::of(std::move(text));
  assign(what.target, value, *scope_);
  return Flow::next;
}

Run::Flow Run::execute(const FilterBlock& what) {
  Flow flow = Flow::next;
  Text text = captured(what.body, flow);
  if (flow != Flow::next) return flow;
  write(text_of(evaluate_filters(what.filter, std::move(text))));
  return Flow::next;
}

Run::Flow Run::execute(const With& what) {
  const auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  for (const auto& [target, value] : what.values) assign(target, evaluate(value), *scope);
  return run(what.body, scope);
}

Run::Flow Run::execute(const Scoped& what) { return run(what.body, nullptr); }

Run::Flow Run::execute(const Jump& what) { return what.leaves ? Flow::leave : Flow::again; }

Value Run::make_macro(const Macro& macro) {
  if (!scope_->kept) {
    scope_->kept = true;
    kept_scopes_.push_back(scope_);
  }
  return Value::of(std::shared_ptr<Object>(std::make_shared<MacroObject>(macro, scope_)));
}

Run::Flow Run::execute(const Macro& what) {
  scope_->set(what.name, make_macro(what));
  return Flow::next;
}

Run::Flow Run::execute(const CallBlock& what) {
  const Value callee = evaluate(what.call.items[0]);
  Arguments arguments = evaluate(what.call.arguments);
  arguments.named.emplace_back("caller", make_macro(what.caller));
  write(text_of(call(callee, arguments)));
  return Flow::next;
}

void Run::bind(const Macro& macro, Arguments& arguments, Scope& scope) {
  auto& given = arguments.positional;
  auto& named = arguments.named;
  const auto take = [&](std::string_view wanted) {
    const auto found =
        std::ranges::find_if(named, [&](const auto& one) { return one.first == wanted; });
    if (found == named.end()) return Value();
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  const std::size_t count = macro.parameters.size();
  std::vector<bool> is_given(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Name parameter = macro.parameters[i];
    is_given[i] = i < given.size() || arguments.find(name(parameter));
    scope.set(parameter, i < given.size() ? given[i] : take(name(parameter)));
  }
  if (macro.uses_caller && !scope.find(program_.caller)) {
    const bool called = arguments.find("caller") != nullptr;
    scope.set(program_.caller, called ? take("caller") : Value::undefined("no caller is defined"));
  }
  if (macro.uses_kwargs) {
    Dict rest;
    for (auto& [key, value] : named) rest.set(Value::of(key), std::move(value));
    scope.set(program_.kwargs, make_dict(std::move(rest)));
  } else if (!named.empty()) {
    fail("the macro \"{}\" has no parameter \"{}\"", macro.title, named[0].first);
  }
  if (macro.uses_varargs) {
    Values rest(given.begin() + static_cast<std::ptrdiff_t>(std::min(count, given.size())),
                given.end());
    scope.set(program_.varargs, make_sequence(Sequence::Kind::tuple, std::move(rest)));
  } else if (given.size() > count) {
    fail("the macro \"{}\" takes at most {} arguments, got {}", macro.title, count, given.size());
  }
  const std::size_t first_default = count - macro.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (is_given[i]) continue;
    Value value =
        i >= first_default
            ? evaluate(macro.defaults[i - first_default])
            : Value::undefined(fmt::format("the parameter \"{}\" of the macro \"{}\" was not given",
                                           name(macro.parameters[i]), macro.title));
    scope.set(macro.parameters[i], std::move(value));
  }
}

Value Run::call_macro(const Macro& macro, const std::shared_ptr<Scope>& scope,
                      Arguments& arguments) {
  const Level level(*this);
  const int line = line_;
  const auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  const std::shared_ptr<Scope> outer = std::exchange(scope_, inner);
  bind(macro, arguments, *inner);
  Text before = std::exchange(output_, {});
  run(macro.body, inner);
  scope_ = outer;
  line_ = line;
  return Value::of(std::exchange(output_, std::move(before)));
}

}  // namespace quern::jinja
