#!/usr/bin/env bash
# debian-packages.sh build|test: installs those packages of debian-packages.txt that are missing; for
# `build` only what the library and the program need. Does nothing where nothing is missing.
set -euo pipefail
list=$(dirname "$0")/debian-packages.txt
case ${1:-} in
  build) wanted='build' ;;
  test) wanted='build|test' ;;
  *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac
if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian system: what is needed stands in $list."
  exit 0
fi

missing=()
while read -r package; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
    missing+=("$package")
done < <(sed -nE "s/^([^# ]+) +# ($wanted)(:.*)?$/\1/p" "$list")
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

echo "Installing: ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
  echo "This takes root: apt-get install ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=600 -qq update || true  # the list at hand may do
apt-get -o DPkg::Lock::Timeout=600 -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
