#!/usr/bin/env bash
# Builds the project against oneDNN 3, with the newer compiler and libraries of the peers chroot (Debian sid), and
# runs the whole test suite there. Prints "SKIPPED: ..." and succeeds where there is no chroot or no right to enter it.
#
#   onednn3.sh [ctest options]
#
# Installs there what the build needs and is missing. Compiles through ccache where the chroot has it or can install
# it; its cache stays in the chroot.
# Environment: QUERN_PEERS (the chroot: /opt/quern-peers), QUERN_TEST_DATA (../shared), JOBS (2).
# The project is mounted read-only; what is built goes to build/onednn3. The mounts end with the script.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
peers=${QUERN_PEERS:-/opt/quern-peers}
data=${QUERN_TEST_DATA:-$root/../shared}
build=$root/build/onednn3

if [ ! -e "$peers/.ready" ] || [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
  echo "SKIPPED: the tests against oneDNN 3 need root and the peers chroot in $peers"
  exit 0
fi

# In a mount namespace of its own.
enter() {
  set -euo pipefail
  mount --bind "$root" "$peers/mnt/quern-source"
  mount -o remount,bind,ro "$peers/mnt/quern-source"
  mount --bind "$build" "$peers/mnt/quern-build"
  [ ! -d "$data" ] || mount --bind "$data" "$peers/mnt/quern-data"
  mountpoint -q "$peers/proc" || mount -t proc proc "$peers/proc"
  mountpoint -q "$peers/dev" || mount --bind /dev "$peers/dev"
  exec chroot "$peers" bash -c 'build_and_test "$@"' _ "$@"
}

# In the chroot.
build_and_test() {
  set -euo pipefail
  export PATH=/usr/bin:/bin QUERN_TEST_DATA=/mnt/quern-data
  local build=/mnt/quern-build
  version_of() { dpkg-query -W -f '${Version}' "$1"; }
  echo "oneDNN $(version_of libdnnl-dev), fmt $(version_of libfmt-dev), $(g++ --version | head -n 1)"

  # What the project has come to need since the chroot was made.
  /mnt/quern-source/cmake/debian-packages.sh build

  local launcher=()
  if command -v ccache >/dev/null || apt-get install -y --no-install-recommends ccache >/dev/null 2>&1; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    export CCACHE_DIR=/var/cache/quern-ccache
  fi
  cmake -S /mnt/quern-source -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" \
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 > "$build/configure.log" 2>&1 ||
    { cat "$build/configure.log"; exit 1; }
  cmake --build "$build" --parallel "$JOBS" -- -k 0 > "$build/build.log" 2>&1 || { grep -v '^\[' "$build/build.log"; exit 1; }
  echo "built with $(grep -c ' warning: ' "$build/build.log" || true) warnings (build/onednn3/build.log)"
  ctest --test-dir "$build" --output-on-failure --no-tests=error "$@"
}

mkdir -p "$build" "$peers"/mnt/quern-{source,build,data}
export root peers data build JOBS=${JOBS:-2}
export -f enter build_and_test
exec unshare --mount --propagation private bash -c 'enter "$@"' _ "$@"
