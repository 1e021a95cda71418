#include "io/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "quern/error.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;
using namespace quern::io;

TEST_CASE("what is written is read back, aligned, in every dtype") {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.safetensors");
  std::map<std::string, Tensor> tensors = {
      {"f64", Tensor::from({1.5, -2.5, 1e300}, {3})},
      {"f32", Tensor::from({1.5f, -2.5f, 3.f, 4.f, 5.f, 6.f}, {2, 3})},
      {"f16", Tensor::full({3}, 0.5, DType::f16)},
      {"bf16", Tensor::full({1, 3}, -0.25, DType::bf16)},
      {"bool", Tensor::from({true, false, true}, {3})},
      {"scalar", Tensor::scalar(7)},
      {"empty", Tensor::zeros({0, 4})},
  };
  for (const DType dtype : {DType::i8, DType::u8, DType::i16, DType::u16, DType::i32, DType::u32,
                            DType::i64, DType::u64}) {
    tensors.emplace(to_string(dtype), Tensor::full({5}, 11, dtype));
  }
  write_safetensors(path, tensors, {{"format", "pt"}});

  const SafetensorsFile file = read_safetensors(path);
  CHECK(file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  REQUIRE(file.weights.size() == tensors.size());
  for (const auto& named : tensors) {
    const auto& [name, tensor] = named;
    CAPTURE(named.first);
    const Tensor read = file.weights.at(name).tensor();
    CHECK(read.dtype() == tensor.dtype());
    CHECK(read.shape() == tensor.shape());
    CHECK(reinterpret_cast<std::uintptr_t>(read.raw()) % size_of(read.dtype()) == 0);
    const auto bytes = static_cast<std::size_t>(read.numel()) * size_of(read.dtype());
    CHECK((bytes == 0 || std::memcmp(read.raw(), tensor.raw(), bytes) == 0));
  }
}

TEST_CASE("a view is written in row-major order") {
  const TemporaryFolder folder;
  const Tensor rows = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  write_safetensors(folder.path("a"), {{"t", rows.transpose(0, 1)}});
  const Tensor read = read_safetensors(folder.path("a")).weights.at("t").tensor();
  CHECK(read.shape() == Shape{3, 2});
  CHECK(read.at<float>({2, 0}) == 3.f);
  CHECK(read.at<float>({0, 1}) == 4.f);
}

TEST_CASE("tensors that the file leaves unaligned are copied") {
  const SafetensorsFile file =
      read_safetensors("tests/fuzz/corpus/good/unaligned_tensors.safetensors");
  const Tensor tensor = file.weights.at("a").tensor();
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 4 == 0);
  CHECK(tensor.at<float>({3}) == 0.f);
}

TEST_CASE("a failed write leaves nothing, and the file that was there") {
  const TemporaryFolder folder;
  folder.write("a", "before");
  CHECK(code_of([&] {
          write_safetensors(folder.path("a"), {{"s", Tensor::empty({1}, DType::string)}});
        }) == ErrorCode::unsupported);
  CHECK(code_of([&] { write_safetensors(folder.path("no/a"), {}); }) ==
        ErrorCode::invalid_argument);
  std::filesystem::create_directory(folder.path("taken"));
  CHECK(code_of([&] { write_safetensors(folder.path("taken"), {}); }) ==
        ErrorCode::invalid_argument);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path(""))) {
    CHECK((entry.path().filename() == "a" || entry.path().filename() == "taken"));
    ++files;
  }
  CHECK(files == 2);
  CHECK(std::filesystem::file_size(folder.path("a")) == 6);
}

TEST_CASE("an error names the file, the tensor and the offset") {
  const auto message = [](const std::string& name) -> std::string {
    try {
      read_safetensors("tests/fuzz/corpus/bad/" + name + ".safetensors");
    } catch (const Error& error) {
      const std::string what = error.what();
      return what.substr(what.rfind('/') + 1);
    }
    return "no error";
  };
  CHECK(
      message("hole_between_tensors") ==
      "hole_between_tensors.safetensors: tensor \"b\" begins at 20 of the data, expected 16: there "
      "is a hole before it (at byte 149)");
  CHECK(
      message("shape_too_small") ==
      "shape_too_small.safetensors: tensor \"a\": f32 of shape [3] takes 12 bytes, got 16 (at byte "
      "70)");
}
