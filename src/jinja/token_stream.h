#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace quern::jinja {

/// The tokens of a template as a parser takes them, the names that it met, and how deep it is.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& now() const noexcept { return tokens_[at_]; }
  const Token& next() const noexcept { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const noexcept { return now().line; }
  bool is(Token::Kind kind) const noexcept { return now().kind == kind; }
  bool is_sign(std::string_view sign) const noexcept {
    return is(Token::Kind::sign) && now().text == sign;
  }
  bool is_word(std::string_view word) const noexcept {
    return is(Token::Kind::name) && now().text == word;
  }
  bool is_any_word(std::initializer_list<std::string_view> words) const noexcept {
    return std::ranges::any_of(words, [&](std::string_view word) { return is_word(word); });
  }
  const Token& take() noexcept {
    const Token& taken = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }
  bool skip_sign(std::string_view sign) noexcept { return is_sign(sign) && (take(), true); }
  bool skip_word(std::string_view word) noexcept { return is_word(word) && (take(), true); }
  void expect_sign(std::string_view sign) {
    if (!skip_sign(sign)) fail_expected("\"" + std::string(sign) + "\"");
  }
  void expect(Token::Kind kind) {
    if (!is(kind)) fail_expected(describe(Token{.kind = kind}));
    take();
  }
  const std::string& expect_name() {
    if (!is(Token::Kind::name)) fail_expected("a name");
    return take().text;
  }
  [[noreturn]] void fail_expected(std::string_view what) const {
    fail_at(line(), "expected " + std::string(what) + ", got " + describe(now()));
  }

  Name name(const std::string& text) {
    const auto [found, is_new] = known_.emplace(text, static_cast<Name>(names_.size()));
    if (is_new) names_.push_back(text);
    return found->second;
  }
  std::vector<std::string> take_names() { return std::move(names_); }

  /// As long as it lives, one level more is open.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) {
      if (++stream.levels_ > kMaxLevels) fail_at(stream.line(), "nested too deep");
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --stream_.levels_; }

   private:
    TokenStream& stream_;
  };

 private:
  static constexpr int kMaxLevels = 150;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int levels_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Name> known_;
};

}  // namespace quern::jinja
