#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "llm/model_impl.h"
#include "llm/scheduler.h"

namespace quern::llm {
namespace {

/// The forward pass of `rows` equally long sequences at once, every logit wanted.
Tensor forward_rows(const Decoder& decoder, const std::shared_ptr<KvPool>& pool,
                    std::span<const TokenId> ids, std::int64_t rows, std::int64_t tokens) {
  std::vector<KvSequence> sequences;
  for (std::int64_t row = 0; row < rows; ++row) sequences.emplace_back(pool);
  Batch batch;
  for (std::int64_t row = 0; row < rows; ++row) {
    KvSequence& sequence = sequences[static_cast<std::size_t>(row)];
    sequence.plan(tokens);
    sequence.reserve(tokens);
    batch.add(sequence, ids.subspan(static_cast<std::size_t>(row * tokens),
                                    static_cast<std::size_t>(tokens)));
  }
  for (std::int64_t i = 0; i < rows * tokens; ++i) batch.wanted.push_back(i);
  return decoder.forward(batch).reshape({rows, tokens, decoder.info().vocab_size});
}

}  // namespace

std::string_view to_string(FinishReason reason) noexcept {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::vector<TokenId> Model::Impl::encode(std::span<const ChatMessage> messages) const {
  return chat_template.encode(*tokenizer, messages);
}

GenerateOptions Model::Impl::with_stops(GenerateOptions options) const {
  std::ranges::copy(chat_template.stop_strings(), std::back_inserter(options.stop));
  return options;
}

Model::Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Model Model::load(const std::string& path, const LoadOptions& options) {
  require(options.context_length >= 0, "load: context_length {} is negative",
          options.context_length);
  const models::ModelSource source = models::open_source(path, options.progress);
  const models::Architecture* architecture = models::find_architecture(source.architecture());
  if (architecture == nullptr) {
    fail(ErrorCode::unsupported, "load: \"{}\": architecture \"{}\" is not supported; known: {}",
         path, source.architecture(), models::known_architectures());
  }
  if (architecture->load == nullptr) {
    fail(ErrorCode::unsupported,
         "load: \"{}\": architecture \"{}\" is an encoder, which generates nothing", path,
         source.architecture());
  }
  auto impl = std::make_shared<Impl>();
  impl->info = describe(source);
  impl->decoder = architecture->load(source, options.accuracy);
  impl->pool = std::make_shared<KvPool>(impl->decoder->info().cache);
  impl->tokenizer = load_tokenizer(source);
  if (impl->tokenizer) impl->chat_template = ChatTemplate::of(*impl->tokenizer);
  impl->context_length =
      options.context_length > 0 ? options.context_length : impl->decoder->info().context_length;
  return Model(std::move(impl));
}

const ModelInfo& Model::info() const noexcept { return impl_->info; }

std::int64_t Model::context_length() const noexcept { return impl_->context_length; }

bool Model::has_tokenizer() const noexcept { return impl_->tokenizer.has_value(); }

const Tokenizer& Model::tokenizer() const {
  if (!impl_->tokenizer) fail(ErrorCode::not_found, "model: it came without a tokenizer");
  return *impl_->tokenizer;
}

const ChatTemplate& Model::chat_template() const noexcept { return impl_->chat_template; }

Tensor Model::logits(const Tensor& ids) const {
  require(ids.rank() == 2 && ids.numel() > 0, "logits: expected ids [batch, tokens], got {}",
          ids.shape());
  require(ids.dtype() == DType::i32 || ids.dtype() == DType::i64,
          "logits: expected ids of dtype i32 or i64, got {}", ids.dtype());
  require(ids.dim(1) <= impl_->context_length, "logits: {} tokens, the context has {}", ids.dim(1),
          impl_->context_length);
  const Tensor tokens = ids.cast(DType::i32).contiguous();
  check_tokens(tokens.data<TokenId>(), impl_->decoder->info().vocab_size);
  return forward_rows(*impl_->decoder, impl_->pool, tokens.data<TokenId>(), ids.dim(0), ids.dim(1));
}

Reply Model::generate(std::string_view prompt, const GenerateOptions& options,
                      const StreamCallback& callback) const {
  return generate(tokenizer().encode(prompt), options, callback);
}

Reply Model::generate(std::span<const TokenId> prompt, const GenerateOptions& options,
                      const StreamCallback& callback) const {
  const auto job =
      std::make_shared<Job>(impl_->generator(), std::vector<TokenId>(prompt.begin(), prompt.end()),
                            options, text_only(callback, has_tokenizer()));
  run_alone(*impl_->decoder, job);
  return job->take_reply();
}

}  // namespace quern::llm
