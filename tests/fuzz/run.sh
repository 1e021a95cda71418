#!/bin/sh
# Fuzzes every target: tests/fuzz/run.sh [SECONDS for each, default 600]
# Builds with Clang, ASan, UBSan and libFuzzer (Debian: clang-14, libclang-rt-14-dev); starts from the
# corpus; fails on the first finding, whose file is left in build/fuzz/findings.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-600}

cmake --preset fuzz
cmake --build --preset fuzz --target fuzz_gguf fuzz_safetensors fuzz_json fuzz_tokenizer \
  fuzz_onnx fuzz_graph -j "$(nproc)"

findings=build/fuzz/findings
mkdir -p "$findings"
for format in gguf safetensors json tokenizer; do
  grown=build/fuzz/corpus/$format
  mkdir -p "$grown"
  cp tests/fuzz/corpus/*/*."$format" "$grown"
  echo "fuzz_$format: $seconds s"
  build/fuzz/tests/fuzz/fuzz_$format -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -malloc_limit_mb=64 -use_value_profile=1 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/$format-" "$grown"
done
for target in onnx graph; do
  grown=build/fuzz/corpus/$target
  mkdir -p "$grown"
  if [ $target = onnx ]; then
    for model in tests/data/contrib/*/model.onnx; do
      cp "$model" "$grown/$(basename "$(dirname "$model")").onnx"
    done
  fi
  echo "fuzz_$target: $seconds s"
  build/fuzz/tests/fuzz/fuzz_$target -max_total_time="$seconds" -max_len=4096 -timeout=30 \
    -malloc_limit_mb=512 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/$target-" "$grown"
done
echo "no findings"
