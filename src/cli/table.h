#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace quern::cli {

/// Rows of text in columns as wide as their widest cell, in UTF-8.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// A cell a column.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// A line across, before the row that comes next.
  void add_rule() { rows_.emplace_back(); }

  void print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  ///< a rule where empty
};

/// "1,234,567".
std::string grouped(std::int64_t count);

}  // namespace quern::cli
