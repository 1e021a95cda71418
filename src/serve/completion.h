#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/members.h"
#include "serve/service.h"

namespace quern::serve {

/// What a request asks of a language model, checked.
struct Completion {
  std::shared_ptr<LanguageModel> model;
  std::vector<std::vector<TokenId>> prompts = {};
  std::int64_t n = 1;  ///< answers to each prompt
  llm::GenerateOptions options = {};
  bool stream = false;
  bool include_usage = false;  ///< in a stream
};

/// How a route writes answers: choices are numbered over all prompts.
class CompletionFormat {
 public:
  virtual ~CompletionFormat() = default;

  /// The beginning of the answer's id, and its type when it is whole and when it is streamed.
  virtual std::string_view id_prefix() const = 0;
  virtual std::string_view object() const = 0;
  virtual std::string_view chunk_object() const = 0;
  /// What opens the stream of a choice; null: nothing.
  virtual Json opening(std::size_t choice) = 0;
  /// What a choice grew by.
  virtual Json grown(std::size_t choice, std::string_view text,
                     std::span<const llm::ChosenLogprob> logprobs) = 0;
  /// What closes the stream of a choice.
  virtual Json closing(std::size_t choice, std::string_view reason) = 0;
  /// A whole choice.
  virtual Json whole(std::size_t choice, const llm::Reply& reply, std::string_view reason) = 0;
};

/// A token's text, of a special one too: logprobs tell of tokens that no text shows.
std::string token_text(const Tokenizer& tokenizer, TokenId token);
/// An array of the bytes of a text.
Json bytes_of(std::string_view text);

/// The model that a request's "model" names, if the caller may use it. Throws: ApiError.
std::shared_ptr<LanguageModel> find_model(Exchange& exchange, Members& members);

/// Lets the tokens of a prompt's text be counted, which is work: where it is within the caller's
/// limits, and not longer than the context could hold. Throws: ApiError.
void allow_prompt(Exchange& exchange, const LanguageModel& model, std::size_t bytes);

/// Reads the members that both completion routes have, but "logprobs". Throws: ApiError.
void read_options(Exchange& exchange, Members& members, Completion& completion);

/// Admits, generates, answers and bills. Throws: ApiError, Error.
void complete(Exchange& exchange, Completion completion, CompletionFormat& format);

}  // namespace quern::serve
