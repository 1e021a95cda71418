#!/bin/sh
# refused.sh EXPECTED COMPILER FLAG...: a program that includes a header of quern does not compile with
# these flags, and the compiler says EXPECTED.
set -u
expected=$1
shift
if said=$(echo '#include "quern/tensor.h"' | "$@" -x c++ -fsyntax-only - 2>&1); then
  echo "it compiled"
  exit 1
fi
case $said in
  *"$expected"*) ;;
  *) echo "$said"; exit 1 ;;
esac
