#!/bin/sh
# pkg_config.sh COMPILER static|shared PREFIX PROGRAM: builds the consumer with the flags that
# pkg-config gives for the library installed under PREFIX, as PROGRAM, and runs it.
set -eu
compiler=$1 kind=$2 prefix=$3 program=$4
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name quern.pc)")
export PKG_CONFIG_PATH
static=
if [ "$kind" = static ]; then static=--static; fi
here=$(dirname "$0")
# shellcheck disable=SC2046  # flags are words
"$compiler" -std=c++20 "$here/consumer/main.cpp" -o "$program" $(pkg-config --cflags --libs $static quern)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir quern) "$program"
