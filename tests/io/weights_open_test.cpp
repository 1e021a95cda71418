#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "quern/weights.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

using namespace quern;

namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

std::string index_of(const std::string& entries) {
  return R"({"metadata": {"total_size": 24}, "weight_map": {)" + entries + "}}";
}

/// Two shards, "a" in one.safetensors, "b" and "c" in two.safetensors, and their index.
void write_shards(const TemporaryFolder& folder, const std::string& entries) {
  io::write_safetensors(folder.path("one.safetensors"), {{"a", Tensor::from({1.f, 2.f}, {2})}});
  io::write_safetensors(folder.path("two.safetensors"),
                        {{"b", Tensor::from({3.f}, {1})}, {"c", Tensor::from({4.f}, {1})}});
  folder.write(kIndex, index_of(entries));
}

std::int64_t resident_bytes() {
  std::int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// A file of the header and `data_bytes` of zeros, which take no room on the disk.
std::string write_sparse(const TemporaryFolder& folder, const std::string& name,
                         const std::string& header, std::uintmax_t data_bytes) {
  const std::string path = folder.write(name, header);
  std::filesystem::resize_file(path, header.size() + data_bytes);
  return path;
}

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

TEST_CASE("a folder gives its model.safetensors, or the shards of its index") {
  const TemporaryFolder folder;
  write_shards(folder, R"("a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors")");
  for (const std::string& path : {folder.path(""), folder.path(kIndex)}) {
    const Weights weights = Weights::open(path);
    CHECK(weights.names() == std::vector<std::string>{"a", "b", "c"});
    CHECK(weights.tensor("a").at<float>({1}) == 2.f);
    CHECK(weights.tensor("c").at<float>({0}) == 4.f);
  }
  io::write_safetensors(folder.path("model.safetensors"), {{"whole", Tensor::zeros({1})}});
  CHECK(Weights::open(folder.path("")).names() == std::vector<std::string>{"whole"});
}

TEST_CASE("an index that names what is not there or not beside it is refused") {
  const TemporaryFolder folder;
  const auto open_with = [&](const std::string& entries) {
    write_shards(folder, entries);
    return code_of([&] { Weights::open(folder.path(kIndex)); });
  };
  CHECK(open_with(R"("z": "one.safetensors")") == ErrorCode::corrupt_file);
  CHECK(open_with(R"("a": "absent.safetensors")") == ErrorCode::not_found);
  CHECK(open_with(R"("a": 3)") == ErrorCode::corrupt_file);
  for (const std::string shard : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..",
                                  "", "one.safetensors\\u0000.x"}) {
    CAPTURE(shard);
    CHECK(open_with("\"a\": \"" + shard + "\"") == ErrorCode::corrupt_file);
  }
  folder.write(kIndex, R"({"metadata": {}})");
  CHECK(code_of([&] { Weights::open(folder.path(kIndex)); }) == ErrorCode::corrupt_file);
}

TEST_CASE("the format is told by content, and what has none is refused") {
  const TemporaryFolder folder;
  io::write_safetensors(folder.path("weights.bin"), {{"a", Tensor::zeros({1})}});
  CHECK(Weights::open(folder.path("weights.bin")).size() == 1);
  CHECK(code_of([&] { Weights::open(folder.write("a.gguf", "plain text")); }) ==
        ErrorCode::corrupt_file);
  CHECK(code_of([&] { Weights::open(folder.write("b.gguf", "GGUF")); }) == ErrorCode::corrupt_file);
  CHECK(code_of([&] { Weights::open(folder.path("absent")); }) == ErrorCode::not_found);
  std::filesystem::create_directory(folder.path("nothing"));
  CHECK(code_of([&] { Weights::open(folder.path("nothing")); }) == ErrorCode::not_found);
}

TEST_CASE("progress rises to 1, over shards too") {
  const TemporaryFolder folder;
  write_shards(folder, R"("a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors")");
  std::vector<double> shares;
  Weights::open(folder.path(""), [&](double done) { shares.push_back(done); });
  CHECK(shares == std::vector<double>{0.5, 0.75, 1.0});
}

TEST_CASE("opening a large file takes no memory for its tensors") {
  constexpr std::int64_t kValues = 64 << 20;
  constexpr std::int64_t kAllowed = 16 << 20;
  const TemporaryFolder folder;
  const std::string json =
      R"({"a":{"dtype":"F32","shape":[67108864],"data_offsets":[0,268435456]}})";
  const std::string safetensors = bytes_of<std::uint64_t>((json.size() + 7) / 8 * 8) + json +
                                  std::string((json.size() + 7) / 8 * 8 - json.size(), ' ');
  std::string gguf = "GGUF" + bytes_of<std::uint32_t>(3) + bytes_of<std::uint64_t>(1) +
                     bytes_of<std::uint64_t>(0) + bytes_of<std::uint64_t>(1) + "a" +
                     bytes_of<std::uint32_t>(1) + bytes_of<std::int64_t>(kValues) +
                     bytes_of<std::uint32_t>(0) + bytes_of<std::uint64_t>(0);
  gguf.resize((gguf.size() + 31) / 32 * 32);
  for (const std::string& header : {safetensors, gguf}) {
    const std::string path = write_sparse(folder, "large", header, kValues * 4);
    const std::int64_t before = resident_bytes();
    const Weights weights = Weights::open(path);
    CHECK(weights.tensor("a").numel() == kValues);
    CHECK(weights.tensor("a").at<float>({-1}) == 0.f);
    CHECK(resident_bytes() - before < kAllowed);
  }
}

TEST_CASE(
    "writing to a tensor that views a file changes neither the file nor later readers of it") {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.safetensors");
  io::write_safetensors(path, {{"a", Tensor::from({1.f, 2.f}, {2})}});
  Tensor tensor = Weights::open(path).tensor("a");
  tensor.mutable_data<float>()[0] = 5.f;
  CHECK(tensor.at<float>({0}) == 5.f);
  CHECK(Weights::open(path).tensor("a").at<float>({0}) == 1.f);
}
