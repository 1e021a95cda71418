#!/usr/bin/env bash
# Fetches the public test data that is not part of the project: the cases of the ONNX standard, from GitHub, at
# the tag that this project is tested with. What is not to be had so is named, and its tests are skipped.
#
#   tests/fetch_data.sh [FOLDER]     default: QUERN_TEST_DATA, else ../shared, where the tests look
#
# Environment: QUERN_ONNX_SOURCE, another URL of the archive (file:///... too), QUERN_ONNX_SHA256, of other cases:
# of the list that `sha256sum` makes of their files in order, so that how they were packed does not matter.
# Exit code: 0 done or there already, 2 wrong arguments, 3 the archive is not to be had, 4 it is another one.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
  exit 2
fi
folder=${1:-${QUERN_TEST_DATA:-$root/../shared}}
tag=v1.22.0
source=${QUERN_ONNX_SOURCE:-https://github.com/onnx/onnx/archive/refs/tags/$tag.tar.gz}
wanted=${QUERN_ONNX_SHA256:-8249fa6bf0efd679f22fc8d2ef3831e4575b6af0d8692135f16f68be122b9dfd}
parts=(node simple light)

digest() {
  (cd "$1" && find "${parts[@]}" -type f \( -name '*.onnx' -o -name '*.pb' \) -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1)
}

# Names what tests ask for and is not there.
name_absent() {
  grep -rhoE '(test_data|check_suite)\("[a-z0-9][^"]*"' "$root/tests" --include='*.cpp' | cut -d '"' -f 2 | sort -u |
    while read -r name; do
      compgen -G "$folder/$name*" >/dev/null || echo "SKIPPED: $name is not to be had by this script"
    done
}

mkdir -p "$folder/onnx"
there=true
for part in "${parts[@]}"; do
  if [ ! -d "$folder/onnx/$part" ]; then there=false; fi
done
if $there; then
  echo "the cases of ONNX are in $folder/onnx"
  name_absent
  exit 0
fi

scratch=$(mktemp -d "$folder/onnx/.fetch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
echo "fetching $source"
if ! curl -fsSL --retry 2 --connect-timeout 20 --max-time 1800 -o "$scratch/archive.tar.gz" "$source"; then
  echo "The archive is not to be had: is there a network? Nothing was changed; the tests skip what is absent." >&2
  exit 3
fi
if ! tar -xzf "$scratch/archive.tar.gz" -C "$scratch" --strip-components 5 --no-same-owner --wildcards \
  '*/onnx/backend/test/data/node/*' '*/onnx/backend/test/data/simple/*' '*/onnx/backend/test/data/light/*'; then
  echo "$source is no archive of ONNX" >&2
  exit 4
fi
found=$(digest "$scratch")
if [ "$found" != "$wanted" ]; then
  echo "$source has other cases: their checksum is $found, expected $wanted. Nothing was changed." >&2
  exit 4
fi
for part in "${parts[@]}"; do
  rm -rf "${folder:?}/onnx/$part"
  mv "$scratch/$part" "$folder/onnx/$part"
done
echo "the cases of ONNX $tag are in $folder/onnx"
name_absent
