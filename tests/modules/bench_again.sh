#!/bin/sh
# bench_again.sh PROGRAM STAND_INS: a library that leaves instructions of this CPU unused (the stand-in of version 2 of
# oneDNN says so) makes bench start again with the variable that mends it: once, and said; and not where it is set.
set -eu
program=$1
LD_LIBRARY_PATH=$2
HONE_PROFILE_PATH=$(mktemp -d /tmp/hone-again-XXXXXX)
trap 'rm -rf "$HONE_PROFILE_PATH"' EXIT
export LD_LIBRARY_PATH HONE_PROFILE_PATH
OPENBLAS_CORETYPE=Haswell BLIS_ARCH_TYPE=3 LIBXSMM_TARGET=hsw # as they are: they are not what this is about
export OPENBLAS_CORETYPE BLIS_ARCH_TYPE LIBXSMM_TARGET
unset ONEDNN_MAX_CPU_ISA HONE_MODULES

said=$HONE_PROFILE_PATH/said
timed=$HONE_PROFILE_PATH/json
bench() { "$program" bench "matmul f32 nn 4x4x4" --rounds 3 --json --kernels "$1" 2> "$said" > "$timed"; }
fail() { echo "bench_again.sh: $1" >&2; cat "$said" >&2; exit 1; }

"$program" doctor | grep -q ONEDNN_MAX_CPU_ISA ||
    { echo "skipped: this CPU has no more than the stand-in uses"; exit 77; }
bench onednn2.gemm || fail "bench failed"
[ "$(grep -c 'starts again with ONEDNN_MAX_CPU_ISA=ALL' "$said")" = 1 ] || fail "it did not start again, once"
grep -q '"kernel": "onednn2.gemm"' "$timed" || fail "nothing was timed"
ONEDNN_MAX_CPU_ISA=AVX2 bench onednn2.gemm || fail "bench failed with the variable set"
! grep -q 'starts again' "$said" || fail "it started again, with the variable set"
bench cpu.direct || fail "bench of our own failed"
! grep -q 'starts again' "$said" || fail "it started again where no library is timed"
