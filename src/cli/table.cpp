#include "cli/table.h"

#include <algorithm>

namespace quern::cli {
namespace {

constexpr std::size_t kGap = 2;

/// Characters that take a place of their own, in nearly all scripts.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = width(columns_[i].title);
    for (const auto& row : rows_) {
      if (!row.empty()) widest = std::max(widest, width(row[i]));
    }
    widths.push_back(widest);
    titles.push_back(columns_[i].title);
  }
  const auto print_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      if (i > 0) line.append(kGap, ' ');
      line += columns_[i].align == Align::right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  };
  std::size_t whole = kGap * (widths.size() - 1);
  for (const std::size_t column : widths) whole += column;
  const std::string rule = std::string(whole, '-') + "\n";
  print_row(titles);
  out << rule;
  for (const auto& row : rows_) row.empty() ? void(out << rule) : print_row(row);
}

std::string grouped(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::size_t first_digit = count < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first_digit + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace quern::cli
