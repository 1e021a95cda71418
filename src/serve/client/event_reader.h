#pragma once

#include <string>
#include <string_view>

namespace quern::serve {

/// Finds the events of a stream that comes in pieces.
class EventReader {
 public:
  void add(std::string_view piece) { received_ += piece; }

  /// Takes the data of the next event; false where none is whole.
  bool next(std::string& data) {
    for (;;) {
      const std::size_t end = received_.find('\n');
      if (end == std::string::npos) return false;
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      if (!line.starts_with("data:")) continue;
      data = line.substr(line.starts_with("data: ") ? 6 : 5);
      return true;
    }
  }

 private:
  std::string received_;
};

}  // namespace quern::serve
