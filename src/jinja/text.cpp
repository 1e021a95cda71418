#include "jinja/text.h"

#include <algorithm>

namespace quern::jinja {

Text Text::data(std::string bytes) {
  Text text(std::move(bytes));
  text.has_data_ = !text.bytes_.empty();
  if (text.has_data_) text.marks_.assign(text.bytes_.size(), 1);
  return text;
}

void Text::append(std::string_view bytes, bool data) {
  if (bytes.empty()) return;
  if (data && !has_data_) {
    marks_.assign(bytes_.size(), 0);
    has_data_ = true;
  }
  if (has_data_) marks_.append(bytes.size(), data ? 1 : 0);
  bytes_ += bytes;
}

void Text::append(const Text& other, std::size_t begin, std::size_t count) {
  if (!other.has_data_) return append(other.view().substr(begin, count), false);
  if (!has_data_) {
    marks_.assign(bytes_.size(), 0);
    has_data_ = true;
  }
  marks_.append(other.marks_, begin, count);
  bytes_.append(other.bytes_, begin, count);
}

Text Text::substr(std::size_t begin, std::size_t count) const {
  Text part(bytes_.substr(begin, count));
  part.safe = safe;
  if (!has_data_) return part;
  part.marks_ = marks_.substr(begin, count);
  part.has_data_ = part.marks_.find('\1') != std::string::npos;
  if (!part.has_data_) part.marks_.clear();
  return part;
}

Text Text::remade(std::string bytes) const {
  Text text = has_data_ ? data(std::move(bytes)) : Text(std::move(bytes));
  text.safe = safe;
  return text;
}

}  // namespace quern::jinja
