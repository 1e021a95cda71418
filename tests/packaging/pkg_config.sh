#!/bin/sh
# pkg_config.sh COMPILER static|shared PREFIX PACKAGE SOURCE PROGRAM: builds SOURCE with the flags that
# pkg-config gives for PACKAGE as installed under PREFIX, as PROGRAM, and runs it.
set -eu
compiler=$1 kind=$2 prefix=$3 package=$4 source=$5 program=$6
installed=$(dirname "$(find "$prefix" -name "$package.pc")")
export PKG_CONFIG_PATH="$installed"
static=
if [ "$kind" = static ]; then
  static=--static
else
  # The shared library brings what it links: nothing else has to have a file here.
  export PKG_CONFIG_LIBDIR="$installed"
fi
# shellcheck disable=SC2046  # flags are words
"$compiler" -std=c++20 "$source" -o "$program" $(pkg-config --cflags --libs $static "$package")
LD_LIBRARY_PATH=$(pkg-config --variable=libdir "$package") "$program"
