#include <fmt/format.h>

#include <array>
#include <fstream>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "quern/ops.h"
#include "support/versus.h"

// ops::matmul against the oneDNN primitive called directly: same operands, same layout, its result
// written to memory that is there already.
//
//     matmul_bench [--shapes=FILE] [--json=FILE] [Google Benchmark's options]

namespace quern::bench {
namespace {

struct Shapes {
  std::int64_t m, k, n;
  DType dtype;

  std::string name() const { return fmt::format("{}x{}x{} {}", m, k, n, to_string(dtype)); }
  DType result() const { return dtype == DType::i8 ? DType::i32 : dtype; }
};

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::i8}) {
    if (name == to_string(dtype)) return dtype;
  }
  throw std::runtime_error("matmul_bench: no dtype " + name);
}

std::vector<Shapes> read_shapes(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("matmul_bench: cannot read " + path);
  std::vector<Shapes> shapes;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Shapes read{};
    std::string dtype;
    if (!(words >> read.m >> read.k >> read.n >> dtype)) {
      throw std::runtime_error(fmt::format("matmul_bench: {}: not M K N dtype: {}", path, line));
    }
    read.dtype = dtype_named(dtype);
    shapes.push_back(read);
  }
  return shapes;
}

/// Whole numbers from -4 to 4, which every dtype holds. Made once, so that both sides read the same
/// memory.
const Tensor& operand(const Shape& shape, DType dtype) {
  static std::map<std::string, Tensor> made;
  Tensor& tensor = made[fmt::format("{} {}", to_string(shape), to_string(dtype))];
  if (tensor.numel() == 0) {
    Tensor values = Tensor::empty(shape, DType::i8);
    std::minstd_rand random(1);
    for (std::int8_t& value : values.mutable_data<std::int8_t>()) {
      value = static_cast<std::int8_t>(static_cast<int>(random() % 9) - 4);
    }
    tensor = values.cast(dtype);
  }
  return tensor;
}

dnnl::memory::data_type to_onednn(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return dnnl::memory::data_type::f32;
    case DType::bf16:
      return dnnl::memory::data_type::bf16;
    case DType::i8:
      return dnnl::memory::data_type::s8;
    default:
      return dnnl::memory::data_type::s32;
  }
}

dnnl::matmul make_primitive(const dnnl::engine& engine, const dnnl::memory& src,
                            const dnnl::memory& weights, const dnnl::memory& dst) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul({engine, src.get_desc(), weights.get_desc(), dst.get_desc()});
#else
  return dnnl::matmul({{src.get_desc(), weights.get_desc(), dst.get_desc()}, engine});
#endif
}

/// The primitive with its operands, bound once.
class Direct {
 public:
  explicit Direct(const Shapes& s)
      : tensors_{operand({s.m, s.k}, s.dtype), operand({s.k, s.n}, s.dtype),
                 Tensor::zeros({s.m, s.n}, s.result())},
        engine_(dnnl::engine::kind::cpu, 0),
        stream_(engine_),
        arguments_{{DNNL_ARG_SRC, bind(tensors_[0])},
                   {DNNL_ARG_WEIGHTS, bind(tensors_[1])},
                   {DNNL_ARG_DST, bind(tensors_[2])}},
        primitive_(make_primitive(engine_, arguments_.at(DNNL_ARG_SRC),
                                  arguments_.at(DNNL_ARG_WEIGHTS), arguments_.at(DNNL_ARG_DST))) {}

  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::memory bind(Tensor& tensor) const {
    const dnnl::memory::desc desc({tensor.dim(0), tensor.dim(1)}, to_onednn(tensor.dtype()),
                                  dnnl::memory::format_tag::ab);
    return {desc, engine_, tensor.mutable_raw()};
  }

  std::array<Tensor, 3> tensors_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::unordered_map<int, dnnl::memory> arguments_;
  dnnl::matmul primitive_;
};

Case make_case(const Shapes& s) {
  const auto size = [](DType dtype) { return static_cast<double>(size_of(dtype)); };
  Case made;
  made.name = s.name();
  made.operations = 2.0 * static_cast<double>(s.m * s.k * s.n);
  made.bytes = static_cast<double>(s.m * s.k + s.k * s.n) * size(s.dtype) +
               static_cast<double>(s.m * s.n) * size(s.result());
  made.quern = [s] {
    return [a = operand({s.m, s.k}, s.dtype), b = operand({s.k, s.n}, s.dtype)] {
      benchmark::DoNotOptimize(ops::matmul(a, b).raw());
    };
  };
  made.peer = [s] { return [direct = std::make_shared<Direct>(s)] { direct->run(); }; };
  return made;
}

}  // namespace
}  // namespace quern::bench

int main(int argc, char** argv) {
  const std::string option = "--shapes=";
  std::string path = QUERN_BENCH_SHAPES "/matmul.txt";
  std::vector<char*> others;
  for (int i = 0; i < argc; ++i) {
    if (std::string(argv[i]).rfind(option, 0) == 0) {
      path = argv[i] + option.size();
    } else {
      others.push_back(argv[i]);
    }
  }
  try {
    for (const auto& shapes : quern::bench::read_shapes(path)) {
      quern::bench::add_case(quern::bench::make_case(shapes));
    }
    return quern::bench::run_cases(static_cast<int>(others.size()), others.data(), {});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
