#include "jinja/json_text.h"

#include <algorithm>
#include <cmath>

#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

class Writer {
 public:
  Writer(Run& run, const JsonStyle& style) : run_(run), style_(style) {}

  void write(const Value& value) {
    const Run::Level level(run_);
    const std::size_t before = text_.size();
    if (const Text* text = value.text()) {
      write_string(*text);
      run_.charge(text_.size() - before);
    } else if (const Dict* dict = value.dict()) {
      write_dict(*dict);
    } else if (value.sequence() && value.sequence()->kind <= Sequence::Kind::tuple) {
      write_list(value.sequence()->items);
    } else {
      text_.append(scalar(value));
      run_.charge(text_.size() - before);
    }
  }

  Text take() { return std::move(text_); }

 private:
  std::string scalar(const Value& value) const {
    if (value.is_none()) return "null";
    if (const bool* held = value.find<bool>()) return *held ? "true" : "false";
    if (const auto* held = value.find<std::int64_t>()) return std::to_string(*held);
    const double* held = value.find<double>();
    if (!held) run_.fail("tojson: a value of type {} has no form in JSON", value.type_name());
    if (std::isnan(*held)) return "NaN";
    if (std::isinf(*held)) return *held < 0 ? "-Infinity" : "Infinity";
    return represent(*held);
  }

  static std::string hex(char32_t code) {
    return fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
  }

  /// A character as it is escaped; empty where it stands for itself.
  std::string escape(const Character& one) const {
    constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
    const char32_t code = one.code;
    const auto place = code < 0x80 ? kShort.find(static_cast<char>(code)) : std::string_view::npos;
    if (place != std::string_view::npos) return std::string{'\\', kLetters[place]};
    if (code < 0x20) return hex(code);
    if (!style_.ascii || code < 0x7f) return "";
    if (code < 0x10000) return hex(code);
    return hex(0xd800 + ((code - 0x10000) >> 10)) + hex(0xdc00 + ((code - 0x10000) & 0x3ff));
  }

  void write_string(const Text& text) {
    text_.append("\"");
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Character one = character_at(text.view(), at);
      const std::string escaped = escape(one);
      if (!escaped.empty()) {
        text_.append(text, plain, at - plain);
        text_.append(escaped, text.is_data(at));
        plain = at + one.size;
      }
      at += one.size;
    }
    text_.append(text, plain, text.size() - plain);
    text_.append("\"");
  }

  void write_key(const Value& key) {
    if (const Text* text = key.text()) return write_string(*text);
    if (key.sequence() || key.object() || key.is_undefined())
      run_.fail("tojson: a key of type {} has no form in JSON", key.type_name());
    text_.append("\"" + scalar(key) + "\"");
  }

  void break_line() {
    if (!style_.indent) return;
    text_.append("\n");
    for (int i = 0; i < depth_; ++i) text_.append(*style_.indent);
    run_.charge(static_cast<std::size_t>(depth_) * style_.indent->size() + 1);
  }

  void write_list(const Values& items) {
    if (items.empty()) return text_.append("[]");
    text_.append("[");
    ++depth_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) text_.append(style_.item_separator);
      break_line();
      write(items[i]);
    }
    --depth_;
    break_line();
    text_.append("]");
  }

  void write_dict(const Dict& dict) {
    if (dict.members.empty()) return text_.append("{}");
    std::vector<const std::pair<Value, Value>*> members;
    for (const auto& member : dict.members) members.push_back(&member);
    if (style_.sort_keys) {
      std::ranges::stable_sort(members, [&](const auto* a, const auto* b) {
        if (!a->first.text() || !b->first.text())
          run_.fail("tojson: only keys that are strings can be sorted");
        return a->first.text()->bytes() < b->first.text()->bytes();
      });
    }
    text_.append("{");
    ++depth_;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) text_.append(style_.item_separator);
      break_line();
      write_key(members[i]->first);
      text_.append(style_.key_separator);
      write(members[i]->second);
    }
    --depth_;
    break_line();
    text_.append("}");
  }

  Run& run_;
  const JsonStyle& style_;
  Text text_;
  int depth_ = 0;
};

}  // namespace

Text to_json(Run& run, const Value& value, const JsonStyle& style) {
  Writer writer(run, style);
  writer.write(value);
  return writer.take();
}

}  // namespace quern::jinja
