// Tensors: making them, looking at them through views, converting them.
#include <iostream>
#include <span>
#include <vector>

#include "quern/error.h"
#include "quern/tensor.h"

int main() {
  using namespace quern;
  const Tensor table = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  std::cout << "a table: " << table.to_string() << "\n\n";

  const Tensor last_column = table.slice(1, -1, 3);  // a view: nothing is copied
  std::cout << "its last column: " << last_column.to_string() << "\n\n";
  std::cout << "turned: " << table.transpose(0, 1).to_string() << "\n\n";
  std::cout << "in bf16: " << table.cast(DType::bf16).to_string() << "\n\n";

  std::vector<float> samples(480, 0.5f);
  const Tensor borrowed = Tensor::borrow(std::span(samples), {1, 480});
  samples[479] = 7.f;  // the tensor sees it
  std::cout << "borrowed from a vector: " << borrowed.to_string() << "\n";

  try {
    table.data<double>();
  } catch (const Error& error) {
    std::cout << "\nan error says what was wrong: " << error.what() << "\n";
  }
}
