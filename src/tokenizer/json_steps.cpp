#include "tokenizer/json_steps.h"

#include <functional>
#include <span>

#include "core/error.h"
#include "tokenizer/assemble.h"
#include "tokenizer/excerpt.h"

namespace quern::tokenizer {
namespace {

using io::JsonObject;

// Replacements are a character or so; longer ones would let a file multiply a text's size.
constexpr std::size_t kMaxReplacement = 64;

[[noreturn]] void fail_unsupported(std::string_view what, std::string_view value) {
  fail(ErrorCode::unsupported, "tokenizer.json: {} \"{}\" is not supported", what, excerpt(value));
}

void require_supported(bool supported, std::string_view what, std::string_view value) {
  if (!supported) fail_unsupported(what, value);
}

/// Calls `step` for the object, or for each of the list `list` in order where it is a "Sequence".
void for_each_step(const JsonObject& json, std::string_view list,
                   const std::function<void(const JsonObject&, const std::string& type)>& step) {
  const auto type = json.get<std::string>("type");
  if (type != "Sequence") return step(json, type);
  for (const io::Json& item : json.array(list)) {
    const JsonObject object(item, fmt::format("tokenizer.json: {}", list));
    step(object, object.get<std::string>("type"));
  }
}

std::string escaped(std::string_view literal) {
  constexpr std::string_view kSyntax = R"(\^$.|?*+()[]{}#-)";
  std::string pattern;
  for (const char c : literal) {
    if (kSyntax.find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// "pattern": {"Regex": "..."} or {"String": "..."}; the latter as an expression, and as it stands
/// in `literal`.
std::string read_pattern(const JsonObject& json, std::string* literal = nullptr) {
  const JsonObject pattern = json.object("pattern");
  if (const auto regex = pattern.find<std::string>("Regex")) return *regex;
  const auto text = pattern.get<std::string>("String");
  require_supported(!text.empty(), "pattern", text);
  if (literal != nullptr) *literal = text;
  return escaped(text);
}

std::string read_short_text(const JsonObject& json, std::string_view name) {
  auto content = json.get<std::string>(name);
  require_supported(content.size() <= kMaxReplacement, name, content);
  return content;
}

void require_space_mark(const JsonObject& json) {
  const auto mark = json.get_or<std::string>("replacement", std::string(kSpaceMark));
  require_supported(mark == kSpaceMark, "Metaspace replacement", mark);
}

/// "always", "first" or "never".
std::string prepend_scheme(const JsonObject& json) {
  const bool prefix = json.get_or<bool>("add_prefix_space", true);
  auto scheme = json.get_or<std::string>("prepend_scheme", prefix ? "always" : "never");
  require_supported(scheme == "always" || scheme == "first" || scheme == "never", "prepend_scheme",
                    scheme);
  return scheme;
}

SplitRule split_rule(std::string pattern, const std::string& behavior, bool invert) {
  SplitRule rule{std::move(pattern)};
  if (behavior == "Removed") {
    (invert ? rule.keep_gaps : rule.keep_matches) = false;
  } else if (behavior == "MergedWithPrevious" && !invert) {
    rule.cut_before = false;
  } else if (behavior == "MergedWithNext" && !invert) {
    rule.cut_after = false;
  } else if (behavior == "Contiguous" && !invert) {
    rule.pattern = fmt::format("(?:{})+", rule.pattern);
  } else {
    require_supported(behavior == "Isolated", invert ? "inverted Split behavior" : "Split behavior",
                      behavior);
  }
  return rule;
}

void add_byte_level(PreTokenizerSteps& steps, const JsonObject& json) {
  if (json.get_or<bool>("add_prefix_space", true)) {
    require_supported(steps.rules.empty(), "add_prefix_space", "after another step");
    steps.word_marks.push_back(Prepend{.text = " ", .unless_there = true, .only_at_start = false});
  }
  if (json.get_or<bool>("use_regex", true)) steps.rules.push_back({std::string(gpt2_pattern())});
}

void add_metaspace(PreTokenizerSteps& steps, const JsonObject& json) {
  require_space_mark(json);
  require_supported(steps.rules.empty(), "Metaspace", "after another step");
  const std::string mark(kSpaceMark);
  const std::string scheme = prepend_scheme(json);
  steps.word_marks.push_back(ReplaceText{" ", mark});
  if (scheme != "never") steps.word_marks.push_back(Prepend{mark, true, scheme == "first"});
  if (json.get_or<bool>("split", true)) {
    steps.rules.push_back(split_rule(mark, "MergedWithNext", false));
  }
}

void add_pre_tokenizer(PreTokenizerSteps& steps, const JsonObject& json, const std::string& type) {
  const bool on_bytes = steps.byte_level;
  const std::size_t before = steps.rules.size();
  require_supported(!on_bytes || (type != "ByteLevel" && type != "Metaspace"),
                    "after ByteLevel, pre_tokenizer", type);
  if (type == "ByteLevel") {
    add_byte_level(steps, json);
    steps.byte_level = true;
  } else if (type == "Metaspace") {
    add_metaspace(steps, json);
  } else if (type == "Split") {
    steps.rules.push_back(split_rule(read_pattern(json), json.get<std::string>("behavior"),
                                     json.get_or<bool>("invert", false)));
  } else if (type == "Digits") {
    const bool each = json.get_or<bool>("individual_digits", false);
    steps.rules.push_back({each ? R"(\p{N})" : R"(\p{N}+)"});
  } else if (type == "Punctuation") {
    steps.rules.push_back(split_rule(R"([\p{P}!-/:-@\[-`{-~])",
                                     json.get_or<std::string>("behavior", "Isolated"), false));
  } else {
    fail_unsupported("pre_tokenizer", type);
  }
  for (SplitRule& rule : std::span(steps.rules).subspan(before)) rule.on_bytes = on_bytes;
}

void add_normalizer(std::vector<NormalizerStep>& steps, const JsonObject& json,
                    const std::string& type) {
  if (type == "NFC") {
    steps.push_back(UnicodeForm::nfc);
  } else if (type == "NFD") {
    steps.push_back(UnicodeForm::nfd);
  } else if (type == "NFKC") {
    steps.push_back(UnicodeForm::nfkc);
  } else if (type == "NFKD") {
    steps.push_back(UnicodeForm::nfkd);
  } else if (type == "Lowercase") {
    steps.push_back(Lowercase{});
  } else if (type == "Prepend") {
    steps.push_back(Prepend{.text = read_short_text(json, "prepend")});
  } else if (type == "Replace") {
    std::string literal;
    const std::string pattern = read_pattern(json, &literal);
    if (literal.empty()) {
      steps.push_back(ReplaceMatches{Regex(pattern), read_short_text(json, "content")});
    } else {
      steps.push_back(ReplaceText{literal, read_short_text(json, "content")});
    }
  } else {
    fail_unsupported("normalizer", type);
  }
}

/// The ids of one side of a "TemplateProcessing", in the order of its list "single".
void read_template(const JsonObject& json, Template& result) {
  const JsonObject tokens = json.object("special_tokens");
  bool after_text = false;
  for (const io::Json& item : json.array("single")) {
    const JsonObject piece(item, "tokenizer.json: post_processor.single");
    if (const auto sequence = piece.find_object("Sequence")) {
      const auto id = sequence->get<std::string>("id");
      require_supported(id == "A" && !after_text, "sequence in a single template", id);
      after_text = true;
      continue;
    }
    const auto name = piece.object("SpecialToken").get<std::string>("id");
    const auto ids = tokens.object(name).get<std::vector<std::int64_t>>("ids");
    auto& side = after_text ? result.suffix : result.prefix;
    side.insert(side.end(), ids.begin(), ids.end());
  }
}

/// Of the pair ["</s>", 2].
std::int64_t read_id_of_pair(const JsonObject& json, std::string_view name) {
  const io::Json& pair = json.array(name);
  if (pair.size() != 2 || !pair[1].is_number_integer()) {
    fail(ErrorCode::corrupt_file, "tokenizer.json: post_processor.{}: expected [text, id]", name);
  }
  return pair[1].get<std::int64_t>();
}

}  // namespace

std::vector<NormalizerStep> read_normalizer(const JsonObject& json) {
  std::vector<NormalizerStep> steps;
  if (const auto normalizer = json.find_object("normalizer")) {
    for_each_step(*normalizer, "normalizers", [&](const JsonObject& step, const std::string& type) {
      add_normalizer(steps, step, type);
    });
  }
  return steps;
}

PreTokenizerSteps read_pre_tokenizer(const JsonObject& json) {
  PreTokenizerSteps steps;
  if (const auto pre_tokenizer = json.find_object("pre_tokenizer")) {
    for_each_step(*pre_tokenizer, "pretokenizers",
                  [&](const JsonObject& step, const std::string& type) {
                    add_pre_tokenizer(steps, step, type);
                  });
  }
  return steps;
}

Template read_post_processor(const JsonObject& json) {
  Template result;
  const auto processor = json.find_object("post_processor");
  if (!processor) return result;
  for_each_step(*processor, "processors", [&](const JsonObject& step, const std::string& type) {
    if (type == "TemplateProcessing") {
      read_template(step, result);
    } else if (type == "RobertaProcessing" || type == "BertProcessing") {
      result.prefix.push_back(read_id_of_pair(step, "cls"));
      result.suffix.push_back(read_id_of_pair(step, "sep"));
    } else {
      require_supported(type == "ByteLevel", "post_processor", type);
    }
  });
  return result;
}

bool read_decoder_strips_space(const JsonObject& json) {
  bool strips = false;
  const auto decoder = json.find_object("decoder");
  if (!decoder) return strips;
  for_each_step(*decoder, "decoders", [&](const JsonObject& step, const std::string& type) {
    if (type == "Strip") {
      const auto content = step.get<std::string>("content");
      const bool one_space = content == " " && step.get_or<std::int64_t>("start", 0) == 1 &&
                             step.get_or<std::int64_t>("stop", 0) == 0;
      require_supported(one_space, "decoder Strip of other than one leading space, of", content);
      strips = true;
    } else if (type == "Metaspace") {
      require_space_mark(step);
      strips = strips || prepend_scheme(step) != "never";
    } else if (type == "Replace") {
      std::string literal;
      read_pattern(step, &literal);
      const bool spaces = literal == kSpaceMark && step.get<std::string>("content") == " ";
      require_supported(spaces, "decoder Replace of", literal);
    } else {
      const bool known =
          type == "ByteLevel" || type == "ByteFallback" || type == "Fuse" || type == "BPEDecoder";
      require_supported(known, "decoder", type);
    }
  });
  return strips;
}

}  // namespace quern::tokenizer
