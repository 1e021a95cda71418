#pragma once

// protozero checks the type of a field by an assertion: it would end the program, or, compiled out,
// let a file's mistake pass. Here it throws as protozero's other findings do.
#ifdef protozero_assert
#error "protozero is included before io/protobuf.h"
#endif
#define protozero_assert(condition) \
  (static_cast<bool>(condition) ? void() : ::quern::io::refuse_field())

#include <protozero/exception.hpp>

namespace quern::io {

struct WrongFieldType : protozero::exception {
  const char* what() const noexcept override {
    return "a field is of another type than its number says";
  }
};

[[noreturn]] inline void refuse_field() { throw WrongFieldType(); }

}  // namespace quern::io

#include <protozero/pbf_reader.hpp>
