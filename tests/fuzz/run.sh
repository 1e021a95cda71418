#!/bin/sh
# Fuzzes every target: tests/fuzz/run.sh [SECONDS for each, default 600]
# Builds with Clang, ASan, UBSan and libFuzzer (Debian: clang-14, libclang-rt-14-dev); starts from the
# corpus; fails on the first finding, whose file is left in build/fuzz/findings.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-600}

cmake --preset fuzz
cmake --build --preset fuzz --target fuzz_gguf fuzz_safetensors fuzz_json fuzz_tokenizer fuzz_jinja \
  fuzz_onnx fuzz_graph fuzz_bmp fuzz_jpeg fuzz_png fuzz_pnm -j "$(nproc)"
for target in webp tiff jpeg2000 json_view infer_tensor; do  # where the build has the format, or the service
  cmake --build --preset fuzz --target fuzz_$target -j "$(nproc)" || echo "fuzz_$target: not in this build"
done

findings=build/fuzz/findings
mkdir -p "$findings"
for format in gguf:gguf safetensors:safetensors json:json tokenizer:tokenizer jinja:jinja json_view:body infer_tensor:tensor; do
  target=${format%:*}
  if [ ! -x build/fuzz/tests/fuzz/fuzz_"$target" ]; then continue; fi
  grown=build/fuzz/corpus/$target
  mkdir -p "$grown"
  cp tests/fuzz/corpus/*/*."${format#*:}" "$grown"
  echo "fuzz_$target: $seconds s"
  build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -malloc_limit_mb=64 -use_value_profile=1 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/$target-" "$grown"
done
for format in bmp:bmp jpeg:jpg png:png pnm:pnm webp:webp tiff:tif jpeg2000:jp2; do
  target=${format%:*}
  if [ ! -x build/fuzz/tests/fuzz/fuzz_"$target" ]; then continue; fi
  grown=build/fuzz/corpus/$target
  mkdir -p "$grown"
  cp tests/fuzz/corpus/*/*."${format#*:}" "$grown"
  echo "fuzz_$target: $seconds s"
  build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$seconds" -max_len=8192 -timeout=60 \
    -malloc_limit_mb=256 -print_final_stats=1 -verbosity=0 -artifact_prefix="$findings/$target-" "$grown"
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
