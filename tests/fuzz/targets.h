#pragma once

#include <cstddef>
#include <span>

namespace quern::fuzz {

/// Each reads `bytes` as a file of its format and uses all of what it gives. An Error of code
/// corrupt_file or unsupported passes through; of any other code, it is a defect and aborts.
void gguf(std::span<const std::byte> bytes);
void safetensors(std::span<const std::byte> bytes);
void json(std::span<const std::byte> bytes);
/// A tokenizer.json, or a GGUF file that stores a vocabulary.
void tokenizer(std::span<const std::byte> bytes);
/// A chat template, which renders a conversation within small bounds.
void jinja(std::span<const std::byte> bytes);

/// Images, each by the decoder of one format. A memory limit is fair too.
void bmp(std::span<const std::byte> bytes);
void jpeg(std::span<const std::byte> bytes);
void png(std::span<const std::byte> bytes);
void pnm(std::span<const std::byte> bytes);
void jpeg2000(std::span<const std::byte> bytes);
void tiff(std::span<const std::byte> bytes);
void webp(std::span<const std::byte> bytes);

/// A body of a request, as JSON; what it takes for JSON is compared with another reader.
void json_view(std::span<const std::byte> bytes);
/// A tensor of a request: its JSON, a byte 0, and bytes that follow the JSON of requests. What was
/// read is written and read again.
void infer_tensor(std::span<const std::byte> bytes);

/// Loads `bytes` as an ONNX file and runs it on small inputs. Every Error but `internal` is fair.
void onnx(std::span<const std::byte> bytes);
/// Makes a graph of operators, attributes and constants that `bytes` choose, each node tried by
/// itself so that errors do not end it early, and optimises and runs it. Every Error but `internal`
/// is fair.
void graph(std::span<const std::byte> bytes);

}  // namespace quern::fuzz
